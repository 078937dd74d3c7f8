import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { LimitsConfig } from "../src/config.js";
import { type TestDatabase, createDatabase } from "../test/support/database.js";
import { event } from "../test/support/events.js";
import { type PostgresServer, freePort, startServer, until } from "../test/support/postgres.js";
import { ConfigFile, ServiceProcess, configContent, tokens } from "../test/support/service.js";
import { type LoadResult, runLoad } from "./load.js";

export interface Options {
  readonly quick: boolean;
  /** Rows for the benchmarks of growth. */
  readonly rows: number;
  readonly log: (line: string) => void;
}

/** Something that takes POSTs of events. */
export interface Target {
  readonly url: string;
  stop(): Promise<void>;
}

/** A PostgreSQL server of the benchmark's own, with everything that runs against it. */
export class World {
  private constructor(
    readonly server: PostgresServer,
    readonly options: Options,
    readonly directory: ConfigFile,
  ) {}

  static async create(options: Options): Promise<World> {
    const server = await startServer({ hostNetwork: true });
    options.log(`PostgreSQL: ${server.origin}`);
    return new World(server, options, new ConfigFile());
  }

  database(): Promise<TestDatabase> {
    return createDatabase({ server: this.server });
  }

  /** The service as a process of its own. */
  async service(
    database: TestDatabase,
    limits: Partial<LimitsConfig> = {},
  ): Promise<Target & { process: ServiceProcess }> {
    const file = new ConfigFile();
    file.write(configContent(database.runtime, { storeSeconds: 20, ...limits }));
    const process = await ServiceProcess.create(file, { AUDIT_LOG_LEVEL: "warn", NODE_ENV: "production" });
    await process.start();
    return {
      url: process.url,
      process,
      async stop() {
        await process.end("SIGTERM");
        file.remove();
      },
    };
  }

  /** FastAPI and asyncpg, one INSERT per request, in a container on this host's network as the service is. */
  async fastapi(database: TestDatabase, workers: number): Promise<Target> {
    const docker = (args: string[], input?: string): string =>
      execFileSync("docker", args, { encoding: "utf8", input, stdio: ["pipe", "pipe", "pipe"] });
    const base = process.env.AUDIT_BENCH_BASE_IMAGE;
    const image = "audit-svc-bench-one-port";
    docker([
      "build",
      "-q",
      "-t",
      image,
      ...(base === undefined ? [] : ["--build-arg", `BASE_IMAGE=${base}`]),
      fileURLToPath(new URL("../../test/one-port-image", import.meta.url)),
    ]);
    const stdin = ["-e", "AUDIT_CONFIG_FILE=/dev/stdin"];
    docker(
      ["run", "--rm", "-i", "--network", "host", ...stdin, image, "migrate"],
      JSON.stringify({ database: database.owner, runtimeRole: database.runtimeRole }),
    );
    const port = await freePort();
    const file = new ConfigFile();
    file.write(configContent(database.runtime));
    const id = docker([
      "run", "-d", "--network", "host", "-v", `${file.directory}:/run/audit:ro`, "--user", "0:0",
      "-e", `AUDIT_LISTEN=127.0.0.1:${port}`, "-e", `WORKERS=${workers}`, image,
    ]).trim(); // prettier-ignore
    const url = `http://127.0.0.1:${port}`;
    try {
      // Each answer may come from another worker: ready is when none of many says no.
      let ready = 0;
      await until(
        async () => {
          const answer = await fetch(`${url}/readyz`, { headers: { connection: "close" } }).catch(() => undefined);
          ready = answer?.ok === true ? ready + 1 : 0;
          return ready >= 10;
        },
        60_000,
        "the FastAPI peer",
      );
    } catch (error) {
      docker(["rm", "-f", id]);
      throw error;
    }
    return {
      url,
      stop: () => {
        docker(["rm", "-f", id]);
        file.remove();
        return Promise.resolve();
      },
    };
  }

  /** Sends one event a request (or a batch) over 64 connections; warms up first. */
  async load(target: Target, batch = 1, connections = 64): Promise<LoadResult> {
    const events = Array.from({ length: batch }, () => event({ id: undefined }));
    const body = JSON.stringify(batch === 1 ? events[0] : events);
    const load = { url: target.url, token: tokens.anyWriter, body, connections, directory: this.directory.directory };
    await runLoad({ ...load, seconds: this.options.quick ? 2 : 4 });
    return runLoad({ ...load, seconds: this.options.quick ? 3 : 10 });
  }

  /** pgbench's committed transactions per second. */
  pgbench(database: TestDatabase, clients: number, script: string): number {
    const seconds = this.options.quick ? 3 : 10;
    const output = this.server.pgbench(
      database.name,
      ["-n", "-M", "prepared", "-c", String(clients), "-j", "2", "-T", String(seconds)],
      script,
    );
    const tps = /tps = ([\d.]+) \(without/.exec(output)?.[1];
    if (tps === undefined) throw new Error(`pgbench said nothing: ${output}`);
    return Number(tps);
  }

  close(): void {
    this.server.remove();
    this.directory.remove();
  }
}
