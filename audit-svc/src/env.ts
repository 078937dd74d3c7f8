import { isIP } from "node:net";
import { UserError } from "./errors.js";

/** An address to listen on. */
export interface Listen {
  readonly host: string;
  readonly port: number;
}

/** Settings from the environment; everything else comes from the configuration file. */
export interface Env {
  /** Path of the configuration file. Default `/run/audit/config.json`. */
  readonly configFile: string;
  /** Address of the main port. Default `0.0.0.0:8080`. */
  readonly listen: Listen;
  /** Address of the admin port. Default `127.0.0.1:8081`; `off` serves `/reload` on the main port. */
  readonly adminListen: Listen | "off";
  /** Label for `audit_build_info`. Default `unknown`. */
  readonly release: string;
  /** pino's level. Default `info`. */
  readonly logLevel: string;
  /** Seconds between two checks of the configuration file. Default 2; 0 turns watching off. */
  readonly watchSeconds: number;
  /** Seconds that a stop may take before it is forced. Default 25. */
  readonly graceSeconds: number;
}

const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

/** Reads the environment. Throws {@link UserError} that names the variable. */
export function readEnv(env: NodeJS.ProcessEnv = process.env): Env {
  const logLevel = env.AUDIT_LOG_LEVEL ?? "info";
  if (!LEVELS.includes(logLevel)) {
    throw new UserError(`AUDIT_LOG_LEVEL: "${logLevel}" is not a level; use one of ${LEVELS.join(", ")}.`);
  }
  const admin = env.AUDIT_ADMIN_LISTEN ?? "127.0.0.1:8081";
  return {
    configFile: env.AUDIT_CONFIG_FILE ?? "/run/audit/config.json",
    listen: parseListen("AUDIT_LISTEN", env.AUDIT_LISTEN ?? "0.0.0.0:8080"),
    adminListen: admin === "off" ? "off" : parseListen("AUDIT_ADMIN_LISTEN", admin),
    release: env.AUDIT_RELEASE ?? "unknown",
    logLevel,
    watchSeconds: parseSeconds("AUDIT_WATCH_SECONDS", env.AUDIT_WATCH_SECONDS ?? "2"),
    graceSeconds: parseSeconds("AUDIT_GRACE_SECONDS", env.AUDIT_GRACE_SECONDS ?? "25"),
  };
}

function parseListen(name: string, text: string): Listen {
  const m = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(m?.[3]);
  const host = m?.[1] ?? m?.[2] ?? "";
  if (m === null || port > 65535 || (m[1] !== undefined && isIP(m[1]) !== 6)) {
    throw new UserError(
      `${name}: "${text}" is not an address; write it as host:port, for example 0.0.0.0:8080 or [::]:8080.`,
    );
  }
  return { host, port };
}

function parseSeconds(name: string, text: string): number {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value) || value < 0 || value > 3600) {
    throw new UserError(`${name}: "${text}" is not a number of seconds between 0 and 3600.`);
  }
  return value;
}
