import { readFileSync } from "node:fs";

/** The roles of an organisation, weakest first. */
export const ROLES = ["Viewer", "Editor", "Admin"] as const;
export type Role = (typeof ROLES)[number];

/** What the server takes from Grafana's own environment variables (`GF_<SECTION>_<KEY>`, or `…__FILE` for the content of a file). */
export interface Settings {
  /** `GF_SERVER_HTTP_ADDR`, default: every address. */
  readonly address: string;
  /** `GF_SERVER_HTTP_PORT`, default 3000. */
  readonly port: number;
  /** `GF_SERVER_ROOT_URL`: what links in answers begin with; its path is the sub-path of every page. Default `http://localhost:<port>/`. */
  readonly rootUrl: URL;
  /** `GF_SERVER_SERVE_FROM_SUB_PATH`: whether requests arrive with the root URL's path still in front. Default false. */
  readonly serveFromSubPath: boolean;
  /** `GF_PATHS_DATA`, default /var/lib/grafana. */
  readonly dataDir: string;
  /** `GF_SECURITY_ADMIN_USER`, default admin. As in Grafana, read only when the data directory is new. */
  readonly adminUser: string;
  /** `GF_SECURITY_ADMIN_PASSWORD`, default admin. As in Grafana, read only when the data directory is new. */
  readonly adminPassword: string;
  /** `GF_AUTH_ANONYMOUS_ENABLED` and `GF_AUTH_ANONYMOUS_ORG_ROLE`: the role of somebody who is not logged in; undefined when they must log in. */
  readonly anonymousRole: Role | undefined;
  /** `GF_USERS_DEFAULT_THEME`: dark, light or system; default dark. */
  readonly theme: "dark" | "light" | "system";
}

/** A mistake in the environment, to be shown without a stack trace. */
export class SettingError extends Error {}

type Environment = Readonly<Record<string, string | undefined>>;

/** Reads one variable; `NAME__FILE` names a file that holds the value, as in Grafana's image. */
function lookup(env: Environment, name: string): string | undefined {
  const file = env[`${name}__FILE`];
  if (file === undefined || file === "") return env[name] === "" ? undefined : env[name];
  try {
    return readFileSync(file, "utf8").trim();
  } catch (error) {
    throw new SettingError(
      `${name}__FILE: cannot read ${file} (${(error as Error).message}); mount the file or unset it.`,
    );
  }
}

function oneOf<T extends string>(name: string, value: string, allowed: readonly T[]): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) throw new SettingError(`${name}: "${value}" is not one of ${allowed.join(", ")}.`);
  return found;
}

/** Reads the settings out of `env`; throws {@link SettingError} that names the variable. */
export function readSettings(env: Environment): Settings {
  const portText = lookup(env, "GF_SERVER_HTTP_PORT") ?? "3000";
  const port = Number(portText);
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    throw new SettingError(`GF_SERVER_HTTP_PORT: "${portText}" is not a port number (0 to 65535).`);
  }
  const rootText = lookup(env, "GF_SERVER_ROOT_URL") ?? `http://localhost:${port}/`;
  if (!URL.canParse(rootText)) {
    throw new SettingError(`GF_SERVER_ROOT_URL: "${rootText}" is not a URL; write it as http://host:port/.`);
  }
  const isTrue = (name: string) => (lookup(env, name) ?? "false").toLowerCase() === "true";
  return {
    address: lookup(env, "GF_SERVER_HTTP_ADDR") ?? "0.0.0.0",
    port,
    rootUrl: new URL(rootText),
    serveFromSubPath: isTrue("GF_SERVER_SERVE_FROM_SUB_PATH"),
    dataDir: lookup(env, "GF_PATHS_DATA") ?? "/var/lib/grafana",
    adminUser: lookup(env, "GF_SECURITY_ADMIN_USER") ?? "admin",
    adminPassword: lookup(env, "GF_SECURITY_ADMIN_PASSWORD") ?? "admin",
    anonymousRole: isTrue("GF_AUTH_ANONYMOUS_ENABLED")
      ? oneOf("GF_AUTH_ANONYMOUS_ORG_ROLE", lookup(env, "GF_AUTH_ANONYMOUS_ORG_ROLE") ?? "Viewer", ROLES)
      : undefined,
    theme: oneOf("GF_USERS_DEFAULT_THEME", lookup(env, "GF_USERS_DEFAULT_THEME") ?? "dark", [
      "dark",
      "light",
      "system",
    ]),
  };
}

/** The path that every link begins with: empty, or `/grafana` for a root URL of `http://host/grafana/`. */
export function subPath(settings: Settings): string {
  return settings.rootUrl.pathname.replace(/\/+$/, "");
}
