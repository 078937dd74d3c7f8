import fastify, { type FastifyInstance, type onSendHookHandler } from "fastify";
import { Authenticator, ensureAdmin } from "./auth.js";
import type { Context } from "./context.js";
import { ApiError } from "./errors.js";
import { type Assets, pageRoutes } from "./pages.js";
import { accountRoutes } from "./routes/accounts.js";
import { alertingRoutes } from "./routes/alerting.js";
import { annotationRoutes } from "./routes/annotations.js";
import { dashboardRoutes } from "./routes/dashboards.js";
import { dataSourceRoutes } from "./routes/datasources.js";
import { folderRoutes } from "./routes/folders.js";
import { queryRoutes } from "./routes/query.js";
import { type Settings, subPath } from "./settings.js";
import { Store } from "./store.js";

/** The version of Grafana's HTTP API that the stand-in follows; the suffix says that it is none. */
export const VERSION = "12.0.0-preview";

/**
 * Puts the server together without listening.
 *
 * @param assets the page's script and style, as made by build.ts
 * @param observe called with each answer; for tests. Default: nobody
 */
export function createApp(settings: Settings, assets: Assets, observe?: onSendHookHandler): FastifyInstance {
  const store = Store.open(settings.dataDir);
  ensureAdmin(store, settings);
  const context: Context = { settings, store, auth: new Authenticator(store, settings) };
  const path = subPath(settings);
  const app = fastify({
    logger: false,
    bodyLimit: 32 * 1024 * 1024,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 500 },
    rewriteUrl: ({ url = "/" }) =>
      settings.serveFromSubPath && path !== "" && url.startsWith(path) ? url.slice(path.length) || "/" : url,
  });

  // Added before the routes, because a hook applies only to routes added after it.
  if (observe !== undefined) app.addHook("onSend", observe);

  // DELETE and POST without a body but with a content type are usual among clients; Fastify alone answers 400 to them.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    if (body.length === 0) return done(null, undefined);
    try {
      done(null, JSON.parse(body as string));
    } catch {
      done(new ApiError(400, { message: "bad request data" }));
    }
  });
  app.addContentTypeParser("application/x-www-form-urlencoded", { parseAs: "string" }, (_request, body, done) => {
    done(null, Object.fromEntries(new URLSearchParams(body as string)));
  });

  app.setErrorHandler((error: Error & { statusCode?: number }, _request, reply) => {
    if (error instanceof ApiError) return reply.code(error.status).send(error.body);
    const status = error.statusCode ?? 500;
    if (status >= 500) console.error(error);
    return reply
      .code(status)
      .send({ message: status >= 500 ? "Internal Server Error - check the log" : error.message });
  });
  app.setNotFoundHandler((request, reply) => {
    const isApi = request.url.startsWith("/api/");
    if (isApi) return reply.code(404).send({ message: "Not found" });
    return reply
      .code(404)
      .type("text/html; charset=utf-8")
      .send("<!doctype html><title>Not found</title><h1>Page not found</h1>");
  });

  app.get("/api/health", () => ({ database: "ok", version: VERSION, commit: "stand-in", standIn: true }));
  app.get("/healthz", (_request, reply) => reply.type("text/plain").send("Ok"));
  folderRoutes(app, context);
  dashboardRoutes(app, context);
  dataSourceRoutes(app, context);
  annotationRoutes(app, context);
  accountRoutes(app, context);
  alertingRoutes(app, context);
  queryRoutes(app, context);
  pageRoutes(app, context, assets);
  return app;
}
