import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import type { LimitsConfig } from "../src/config.js";
import { docker, nodeImage, onePortImage, run, stop } from "../test/support/containers.js";
import { type TestDatabase, createDatabase } from "../test/support/database.js";
import { event } from "../test/support/events.js";
import { type PostgresServer, freePort, startServer, until } from "../test/support/postgres.js";
import { ConfigFile, configContent, imageEnv, program, tokens } from "../test/support/service.js";
import { type LoadResult, runLoad } from "./load.js";

export interface Options {
  readonly quick: boolean;
  /** Rows for the benchmarks of growth. */
  readonly rows: number;
  /** Seconds of the benchmark of memory. */
  readonly memorySeconds: number;
  readonly log: (line: string) => void;
}

/** A server that accepts events by POST. */
export interface Target {
  readonly url: string;
  /** Resident megabytes (10^6): now, and the maximum so far. */
  memory(): { now: number; highest: number };
  stop(): void;
}

/**
 * A usual setting for 20 million rows: PostgreSQL's manual advises a quarter of the memory, here of a server with 8 GB.
 * With the default, 128 MB, the index pages being written evict each other (0.69 of the rate instead of 1.0).
 */
const BUFFERS = "shared_buffers=2GB";

/** The benchmark's own PostgreSQL server, with everything that runs against it. */
export class World {
  private constructor(
    readonly server: PostgresServer,
    readonly options: Options,
    readonly directory: ConfigFile,
  ) {}

  static async create(options: Options): Promise<World> {
    const server = await startServer({ hostNetwork: true, settings: [BUFFERS] });
    options.log(`PostgreSQL: ${server.origin}`);
    return new World(server, options, new ConfigFile());
  }

  database(): Promise<TestDatabase> {
    return createDatabase({ server: this.server });
  }

  /** The service as it is deployed, with the bundle, Node and Node options of its image. */
  async service(database: TestDatabase, limits: Partial<LimitsConfig> = {}, more: object = {}): Promise<Target> {
    const settings = ["AUDIT_LOG_LEVEL=warn", "NODE_ENV=production", "AUDIT_ADMIN_LISTEN=off"];
    for (const [name, value] of Object.entries(imageEnv())) settings.push(`${name}=${value}`);
    const mounts = ["-v", `${dirname(program())}:/app:ro`, "--entrypoint", "node"];
    const content = { ...configContent(database.runtime, { storeSeconds: 20, ...limits }), ...more };
    return this.#start("the service", content, settings, [...mounts, nodeImage(), "/app/main.js", "serve"]);
  }

  /** FastAPI and asyncpg, one INSERT per request. */
  async fastapi(database: TestDatabase, workers: number): Promise<Target> {
    const image = onePortImage();
    docker(
      ["run", "--rm", "-i", "--network", "host", "-e", "AUDIT_CONFIG_FILE=/dev/stdin", image, "migrate"],
      JSON.stringify({ database: database.owner, runtimeRole: database.runtimeRole }),
    );
    return this.#start("the FastAPI peer", configContent(database.runtime), [`WORKERS=${workers}`], [image]);
  }

  async #start(what: string, config: object, env: readonly string[], command: readonly string[]): Promise<Target> {
    const port = await freePort();
    const file = new ConfigFile();
    file.write(config);
    const settings = [`AUDIT_LISTEN=127.0.0.1:${port}`, ...env].flatMap((pair) => ["-e", pair]);
    // Runs as root, which alone can read the test's directory besides its owner.
    const name = run(["--user", "0:0", "-v", `${file.directory}:/run/audit:ro`, ...settings, ...command]);
    const url = `http://127.0.0.1:${port}`;
    // Each answer may come from a different worker, so it is ready when many answers in a row succeed.
    let ready = 0;
    await until(
      async () => {
        const answer = await fetch(`${url}/readyz`, { headers: { connection: "close" } }).catch(() => undefined);
        ready = answer?.ok === true ? ready + 1 : 0;
        return ready >= 10;
      },
      60_000,
      what,
    ).catch((error: unknown) => {
      throw new Error(`${what}: ${docker(["logs", "--tail", "20", name])}`, { cause: error });
    });
    const pid = docker(["inspect", "-f", "{{.State.Pid}}", name]);
    return {
      url,
      memory() {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const megabytes = (field: string): number =>
          (Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1]) * 1024) / 1e6;
        return { now: megabytes("VmRSS"), highest: megabytes("VmHWM") };
      },
      stop() {
        stop(name);
        file.remove();
      },
    };
  }

  /** Sends one event a request (or a batch) over so many connections; warms up first. */
  async load(target: Target, batch = 1, connections = 64): Promise<LoadResult> {
    await this.press(target, batch, this.options.quick ? 2 : 4, connections);
    return this.press(target, batch, this.options.quick ? 3 : 10, connections);
  }

  /** The same for the given number of seconds, without a warm-up. */
  press(target: Target, batch: number, seconds: number, connections = 64): Promise<LoadResult> {
    // Without ids, so that each is a new event each time; as many different events as fit into the caches of a real
    // service.
    const events = Array.from({ length: 1000 }, (_, i) => event({ ...various(i), id: undefined }));
    const bodies = Array.from({ length: 1000 / batch }, (_, i) =>
      JSON.stringify(batch === 1 ? events[i] : events.slice(i * batch, (i + 1) * batch)),
    );
    const { directory } = this.directory;
    return runLoad({ url: target.url, token: tokens.anyWriter, bodies, connections, seconds, directory });
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

/**
 * Values as in the benchmark's rows (see growth.ts): independent of each other, and unevenly distributed as in reality.
 */
export function various(i: number): Record<string, unknown> {
  const rest = i % 101;
  return {
    application: `application-${i % 23}`,
    actor: `actor-${(i * 7) % 10_007}`,
    action: `action-${i % 53}`,
    resource: `resource/${i}`,
    outcome: rest < 91 ? "success" : rest < 96 ? "failure" : rest < 100 ? "denied" : "error",
  };
}
