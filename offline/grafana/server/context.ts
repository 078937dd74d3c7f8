import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { type Authenticator, hasRole, type Identity } from "./auth.js";
import { forbidden, plain } from "./errors.js";
import type { Json } from "./model.js";
import { type Role, type Settings, subPath } from "./settings.js";
import type { Store } from "./store.js";

/** What every group of routes gets. */
export interface Context {
  readonly settings: Settings;
  readonly store: Store;
  readonly auth: Authenticator;
}

type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** A request after the caller is known to be allowed to make it. */
export interface Call {
  readonly identity: Identity;
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly body: Json;
  readonly request: FastifyRequest;
  readonly reply: FastifyReply;
}

/** Every permission that a route asks for, and the weakest role that has it. */
const PERMISSIONS = new Map<string, Role>([["dashboards:create", "Editor"]]);

/** The permissions of a role, each for everything, as Grafana tells a caller of itself. */
export const permissionsOf = (identity: Identity): Record<string, string[]> =>
  Object.fromEntries([...PERMISSIONS].filter(([, role]) => hasRole(identity, role)).map(([name]) => [name, ["*"]]));

/** Adds a JSON route. `needs` is the weakest role that may call it, `permission` what the refusal names. */
export function route(
  app: FastifyInstance,
  context: Context,
  method: Method,
  url: string,
  needs: Role,
  permission: string,
  handle: (call: Call) => unknown,
): void {
  PERMISSIONS.set(permission, needs);
  app.route({
    method,
    url,
    handler: async (request, reply) => {
      const identity = context.auth.identify(request);
      if (!hasRole(identity, needs)) throw forbidden(permission);
      const query = new URL(request.url, "http://localhost").searchParams;
      const body = isObject(request.body) ? request.body : {};
      if (request.body !== undefined && request.body !== null && !isObject(request.body)) {
        throw plain(400, "bad request data");
      }
      const answer: unknown = await handle({
        identity,
        params: request.params as Record<string, string>,
        query,
        body,
        request,
        reply,
      });
      return reply.sent ? reply : answer;
    },
  });
}

export function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The text at `key`, or "" where there is none. */
export function text(from: Json, key: string): string {
  const value = from[key];
  return typeof value === "string" ? value : "";
}

/** The number at `key`, or undefined where there is none. */
export function number(from: Json, key: string): number | undefined {
  const value = from[key];
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

export function texts(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === "string") : [];
}

/** The name in a link: lower case, everything but letters and digits as single dashes. */
export function slug(title: string): string {
  const words = title
    .normalize("NFKD")
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  return words === "" ? "-" : words;
}

export function dashboardUrl(settings: Settings, dashboard: { uid: string; slug: string }): string {
  return `${subPath(settings)}/d/${dashboard.uid}/${dashboard.slug}`;
}

export function folderUrl(settings: Settings, folder: { uid: string; title: string }): string {
  return `${subPath(settings)}/dashboards/f/${folder.uid}/${slug(folder.title)}`;
}

/** uids: up to 40 letters, digits, dashes and underscores. */
export function checkUid(uid: string): void {
  if (uid.length > 40) throw plain(400, "uid too long, max 40 characters");
  if (!/^[a-zA-Z0-9_-]*$/.test(uid)) throw plain(400, "uid contains illegal characters");
}
