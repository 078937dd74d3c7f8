import { createHash } from "node:crypto";
import type { FastifyInstance, FastifyReply } from "fastify";
import { SESSION_COOKIE } from "./auth.js";
import { type Context, dashboardUrl, isObject, text } from "./context.js";
import { plain } from "./errors.js";
import { subPath } from "./settings.js";

/** The page's parts, made by build.ts from web/. */
export interface Assets {
  readonly script: string;
  readonly style: string;
}

const LIFETIME_S = 7 * 24 * 3600;

function escapeHtml(value: string): string {
  return value.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** The pages for people: log in, the list, and one page per dashboard. All of them are drawn by the script in web/. */
export function pageRoutes(app: FastifyInstance, context: Context, assets: Assets): void {
  const { auth, settings, store } = context;
  const path = subPath(settings);
  const version = createHash("sha256").update(assets.script).update(assets.style).digest("hex").slice(0, 12);

  const page = (reply: FastifyReply, title: string, boot: Record<string, unknown>) =>
    reply
      .type("text/html; charset=utf-8")
      .header("cache-control", "no-store")
      .header("x-content-type-options", "nosniff")
      .header("x-frame-options", "deny")
      .header(
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: https:; connect-src 'self'; form-action 'self'; base-uri 'none'",
      )
      .send(
        [
          '<!doctype html><html lang="en"><head><meta charset="utf-8">',
          '<meta name="viewport" content="width=device-width, initial-scale=1">',
          `<title>${escapeHtml(title)} - Dashboard preview</title>`,
          `<link rel="icon" href="data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Cpath d='M2 13V8h3v5zm5 0V3h3v10zm5 0V6h3v7z' fill='%23f58549'/%3E%3C/svg%3E">`,
          `<link rel="stylesheet" href="${path}/preview/app.css?${version}">`,
          `</head><body data-boot="${escapeHtml(JSON.stringify({ base: path, theme: settings.theme, ...boot }))}">`,
          `<div id="app"><noscript>This page draws its charts with JavaScript.</noscript></div>`,
          `<script src="${path}/preview/app.js?${version}"></script></body></html>`,
        ].join(""),
      );

  const asset = (url: string, type: string, body: string) =>
    app.get(url, (_request, reply) =>
      reply
        .type(type)
        .header("cache-control", "public, max-age=31536000, immutable")
        .header("x-content-type-options", "nosniff")
        .send(body),
    );
  asset("/preview/app.js", "text/javascript; charset=utf-8", assets.script);
  asset("/preview/app.css", "text/css; charset=utf-8", assets.style);

  // Fastify's inject() and plain http both arrive here; the cookie is marked Secure only where the root URL is https.
  const cookie = (value: string, age: number) =>
    `${SESSION_COOKIE}=${value}; Path=${path || "/"}; Max-Age=${age}; HttpOnly; SameSite=Lax${settings.rootUrl.protocol === "https:" ? "; Secure" : ""}`;

  app.get("/login", (_request, reply) => page(reply, "Log in", { view: "login" }));
  app.post("/login", (request, reply) => {
    const body = isObject(request.body) ? request.body : {};
    if (text(body, "user") === "" || text(body, "password") === "") throw plain(400, "bad login data");
    const identity = auth.byPassword(text(body, "user"), text(body, "password"));
    return reply
      .header("set-cookie", cookie(auth.openSession(identity), LIFETIME_S))
      .send({ message: "Logged in", redirectUrl: `${path}/` });
  });
  app.get("/logout", (request, reply) => {
    auth.closeSession(request);
    return reply.header("set-cookie", cookie("", 0)).redirect(`${path}/login`);
  });

  /** Serves a page to whoever may see it, else sends them to log in first. */
  const guarded = (
    url: string,
    draw: (params: Record<string, string>, reply: FastifyReply, role: string, login: string) => unknown,
  ) =>
    app.get(url, (request, reply) => {
      let identity;
      try {
        identity = auth.tryIdentify(request);
      } catch {
        identity = undefined;
      }
      if (identity === undefined) {
        return reply.redirect(`${path}/login?redirectTo=${encodeURIComponent(path + request.url)}`);
      }
      return draw(request.params as Record<string, string>, reply, identity.role, identity.login);
    });

  const list = (_params: Record<string, string>, reply: FastifyReply, role: string, login: string) =>
    page(reply, "Dashboards", { view: "list", role, login });
  guarded("/", list);
  guarded("/dashboards", list);
  guarded("/dashboards/f/:uid", list);
  guarded("/dashboards/f/:uid/:slug", list);

  const dashboard = (params: Record<string, string>, reply: FastifyReply, role: string, login: string) => {
    const found = store.state.dashboards.find(({ uid }) => uid === params.uid);
    if (found === undefined) {
      reply.code(404);
      return page(reply, "Not found", { view: "missing", role, login });
    }
    // With the query: it holds the time range, the theme and the values of variables.
    if (params.slug === undefined)
      return reply.redirect(dashboardUrl(settings, found) + new URL(reply.request.url, "http://localhost").search);
    return page(reply, text(found.model, "title"), { view: "dashboard", uid: found.uid, role, login });
  };
  guarded("/d/:uid", dashboard);
  guarded("/d/:uid/:slug", dashboard);
}
