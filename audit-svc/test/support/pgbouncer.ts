import { execFileSync, spawn } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import type { DatabaseConfig } from "../../src/config.js";
import { baseImage, docker, hasDocker, run, stop } from "./containers.js";
import type { TestDatabase } from "./database.js";
import { freePort, until } from "./postgres.js";

/** A real pgbouncer in front of a test's database. */
export interface Pooler {
  /** `pgbouncer --version`, its number. */
  readonly version: string;
  /** The same login, through the pooler. */
  through(database: DatabaseConfig): DatabaseConfig;
  stop(): void;
}

const BINARY = "/usr/sbin/pgbouncer";

/**
 * Starts one: Debian's package in a container, or the binary on this machine if there is no Docker.
 * @param settings of `pgbouncer.ini`, beside the addresses and the logins; everything else is its default
 */
export async function startPgbouncer(database: TestDatabase, settings: Record<string, string>): Promise<Pooler> {
  const port = await freePort();
  const directory = mkdtempSync(join(tmpdir(), "audit-svc-pgbouncer-"));
  const { host, port: target, name } = database.owner;
  const inDocker = hasDocker();
  const print = inDocker ? ["run", "--rm", image(), BINARY, "--version"] : [];
  const output = inDocker ? docker(print) : execFileSync(BINARY, ["--version"], { encoding: "utf8" });
  const version = /PgBouncer (\S+)/.exec(output)?.[1] ?? "";
  const all: Record<string, string> = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "plain",
    auth_file: join(directory, "users"),
    max_prepared_statements: "0",
    ...settings,
  };
  // Since 1.21 it can track prepared statements; older versions cannot and do not have this setting.
  if (Number(version.split(".")[1]) < 21) delete all.max_prepared_statements;
  // A different database name from the server's, as poolers allow.
  const ini = `[databases]\n${name}_pooled = host=${host} port=${target} dbname=${name}\n[pgbouncer]\n${Object.entries(all).map(([key, value]) => `${key} = ${value}\n`).join("")}`; // prettier-ignore
  writeFileSync(join(directory, "pgbouncer.ini"), ini);
  writeFileSync(all.auth_file ?? "", [database.owner, database.runtime].map(({ user, password }) => `"${user}" "${password}"\n`).join("")); // prettier-ignore
  // pgbouncer refuses to run as root, so another user reads these.
  chmodSync(directory, 0o755);
  let end: () => void;
  if (inDocker) {
    const container = run(["--user", "65534:65534", "-v", `${directory}:${directory}:ro`, image(), BINARY, join(directory, "pgbouncer.ini")]); // prettier-ignore
    end = () => void stop(container);
  } else {
    const child = spawn(BINARY, [join(directory, "pgbouncer.ini")], { stdio: "ignore", ...(process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {}) }); // prettier-ignore
    process.once("exit", () => child.kill());
    end = () => void child.kill();
  }
  const pooler: Pooler = {
    version,
    through: (login) => ({ ...login, host: "127.0.0.1", port, name: `${name}_pooled` }),
    stop() {
      end();
      rmSync(directory, { recursive: true, force: true });
    },
  };
  await until(() => answers(pooler.through(database.owner)), 10_000, "pgbouncer");
  return pooler;
}

let built: string | undefined;

function image(): string {
  const dockerfile = `FROM ${baseImage()}
RUN apt-get update && apt-get install -y --no-install-recommends pgbouncer && rm -rf /var/lib/apt/lists/*
`;
  built ??= docker(["build", "-q", "-t", "audit-bench/pgbouncer", "-"], dockerfile);
  return built;
}

async function answers(login: DatabaseConfig): Promise<boolean> {
  const client = new pg.Client({ ...login, database: login.name });
  client.on("error", () => undefined);
  try {
    await client.connect();
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}
