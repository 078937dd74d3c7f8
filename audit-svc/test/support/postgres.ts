import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";

const PASSWORD = "audit-test";

/** A real PostgreSQL server with its superuser. */
export interface PostgresServer {
  readonly url: string;
  /** Where it came from, for messages. */
  readonly origin: string;
  /** Kills all processes of the server at once, like a power cut. Only for servers started here. */
  kill(): Promise<void>;
  /** Starts it again on the same port with the same data and waits until it answers. */
  start(): Promise<void>;
  /** Suspends all processes with their connections open, like a hung host; `cont` resumes them. */
  pause(): void;
  cont(): void;
  /** Runs pgbench and answers its output. `args` lack the connection; `files` are scripts named `{0}`, `{1}` … in args. */
  pgbench(database: string, args: readonly string[], script: string): string;
  remove(): void;
}

let shared: Promise<PostgresServer> | undefined;
const started = new Set<PostgresServer>();
process.on("exit", removeServers);

/** The server that most tests share: TEST_DATABASE_URL, or one started here. Each test has its own database in it. */
export function sharedServer(): Promise<PostgresServer> {
  const given = process.env.TEST_DATABASE_URL;
  shared ??= given === undefined || given === "" ? startServer() : Promise.resolve(givenServer(given));
  return shared;
}

/**
 * Starts a server that a test or a benchmark may kill: with Docker if its image is available, otherwise with the
 * binaries on this machine.
 * @param hostNetwork without Docker's port forwarding in between, which would cost one side of a benchmark only
 * @param settings the server's, as `name=value`; default PostgreSQL's own
 * @param standbyOf the server that it follows by streaming replication; one with `hostNetwork`
 * @throws if neither is available, naming both options
 */
export async function startServer({
  hostNetwork = false,
  settings = [] as readonly string[],
  standbyOf = undefined as PostgresServer | undefined,
} = {}): Promise<PostgresServer> {
  const image = process.env.AUDIT_TEST_POSTGRES_IMAGE ?? findImage();
  const binaries = findBinaries();
  if (image === undefined && binaries === undefined) {
    throw new Error(
      "No PostgreSQL to test with: set TEST_DATABASE_URL, or AUDIT_TEST_POSTGRES_IMAGE with Docker running, or install Debian's package postgresql.",
    );
  }
  const port = await freePort();
  const options = settings.flatMap((setting) => ["-c", setting]);
  const server =
    image !== undefined
      ? inDocker(image, port, hostNetwork, options, standbyOf)
      : asProcess(binaries ?? "", port, options, standbyOf);
  started.add(server);
  await server.start();
  return server;
}

/** Removes every server started here. */
export function removeServers(): void {
  for (const server of started) server.remove();
  started.clear();
}

function findImage(): string | undefined {
  const found = spawnSync("docker", ["images", "--format", "{{.Repository}}:{{.Tag}}", "audit-sandbox/postgres"], {
    encoding: "utf8",
  });
  if (found.status !== 0) return undefined;
  return found.stdout.split("\n").find((line) => line !== "" && !line.endsWith("<none>"));
}

function findBinaries(): string | undefined {
  const root = "/usr/lib/postgresql";
  if (!existsSync(root)) return undefined;
  const versions = readdirSync(root).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(root, version, "bin")).find((bin) => existsSync(join(bin, "postgres")));
}

function givenServer(url: string): PostgresServer {
  const refuse = (): never => {
    throw new Error("TEST_DATABASE_URL names a server that this test may not kill.");
  };
  return {
    url,
    origin: "TEST_DATABASE_URL",
    kill: refuse,
    start: refuse,
    pause: refuse,
    cont: refuse,
    pgbench: (database, args, script) => localPgbench(withDatabase(url, database), args, script),
    remove: () => undefined,
  };
}

function inDocker(
  image: string,
  port: number,
  hostNetwork: boolean,
  settings: readonly string[],
  standbyOf?: PostgresServer,
): PostgresServer {
  const network = hostNetwork ? ["--network", "host", "-e", `PGPORT=${port}`] : ["-p", `127.0.0.1:${port}:5432`];
  const name = `audit-svc-test-${process.pid}-${port}`;
  const docker = (...args: string[]): string =>
    execFileSync("docker", args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
  const url = `postgres://postgres:${PASSWORD}@127.0.0.1:${port}/postgres`;
  let made = false;
  return {
    url,
    origin: image,
    async kill() {
      docker("kill", "--signal", "KILL", name);
      await until(() => docker("inspect", "-f", "{{.State.Running}}", name).trim() === "false", 10_000);
    },
    async start() {
      const data = "/tmp/standby";
      const copy = `test -s ${data}/PG_VERSION || pg_basebackup -D ${data} -R -X stream -c fast -d "$PRIMARY" && exec postgres -D ${data} -p ${port} "$@"`;
      if (made) docker("start", name);
      else if (standbyOf !== undefined)
        docker(
          ...["run", "-d", "--name", name, "--network", "host", "--user", "postgres", "-e", `PRIMARY=${standbyOf.url}`],
          ...[image, "sh", "-c", copy, "sh", ...settings],
        );
      else
        docker(
          "run",
          "-d",
          "--name",
          name,
          ...network,
          "-e",
          `POSTGRES_PASSWORD=${PASSWORD}`,
          "--shm-size",
          "128m",
          image,
          ...settings,
        );
      made = true;
      await answers(url);
    },
    pause: () => void docker("pause", name),
    cont: () => void docker("unpause", name),
    pgbench(database, args, script) {
      execFileSync("docker", ["exec", "-i", name, "sh", "-c", "cat > /tmp/script.sql"], { input: script });
      return docker(
        "exec",
        "-e",
        `PGPASSWORD=${PASSWORD}`,
        name,
        "pgbench",
        "-h",
        "127.0.0.1",
        "-U",
        "postgres",
        "-f",
        "/tmp/script.sql",
        ...args,
        database,
      );
    },
    remove: () => void spawnSync("docker", ["rm", "-f", "-v", name], { stdio: "ignore" }),
  };
}

function asProcess(bin: string, port: number, settings: readonly string[], standbyOf?: PostgresServer): PostgresServer {
  const directory = mkdtempSync(join(tmpdir(), "audit-svc-pg-"));
  // PostgreSQL refuses to run as root.
  const nobody = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : { uid: undefined, gid: undefined };
  if (nobody.uid !== undefined) chownSync(directory, nobody.uid, nobody.gid);
  const options = { cwd: directory, stdio: "ignore", ...nobody } as const;
  const data = join(directory, "data");
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  let child: ChildProcess | undefined;
  const family = (): number[] => {
    if (child?.pid === undefined) return [];
    const found = spawnSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" }).stdout;
    return [child.pid, ...found.split("\n").filter(Boolean).map(Number)];
  };
  const signal = (name: NodeJS.Signals): void => {
    for (const pid of family()) {
      try {
        process.kill(pid, name);
      } catch {
        // It has just ended by itself.
      }
    }
  };
  return {
    url,
    origin: bin,
    async kill() {
      const gone = new Promise((resolve) => child?.once("exit", resolve));
      signal("SIGKILL");
      await gone;
    },
    async start() {
      const copy = ["-D", data, "-R", "-X", "stream", "-c", "fast", "-d", standbyOf?.url ?? ""];
      if (!existsSync(data) && standbyOf !== undefined) execFileSync(join(bin, "pg_basebackup"), copy, options);
      // As in the image, whatever this process's locale is: a job's image has none, and its databases would store only
      // ASCII.
      const locale = ["-E", "UTF8", "--locale", "C.UTF-8"];
      if (!existsSync(data))
        execFileSync(join(bin, "initdb"), ["-D", data, "-A", "trust", "-U", "postgres", ...locale], options);
      child = spawn(
        join(bin, "postgres"),
        ["-D", data, "-p", String(port), "-k", directory, "-c", "listen_addresses=127.0.0.1", ...settings],
        options,
      );
      await answers(url);
    },
    pause: () => signal("SIGSTOP"),
    cont: () => signal("SIGCONT"),
    pgbench: (database, args, script) => localPgbench(withDatabase(url, database), args, script, bin),
    remove() {
      signal("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

function localPgbench(url: string, args: readonly string[], script: string, bin = findBinaries()): string {
  return execFileSync(bin === undefined ? "pgbench" : join(bin, "pgbench"), ["-f", "/dev/stdin", ...args, url], {
    input: script,
    encoding: "utf8",
    stdio: ["pipe", "pipe", "pipe"],
  });
}

/** The same server's URL with another database. */
export function withDatabase(url: string, database: string): string {
  const copy = new URL(url);
  copy.pathname = `/${database}`;
  return copy.href;
}

async function answers(url: string): Promise<void> {
  let last: unknown;
  const ok = async (): Promise<boolean> => {
    const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 });
    client.on("error", () => undefined);
    try {
      await client.connect();
      await client.query("SELECT 1");
      return true;
    } catch (error) {
      last = error;
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  };
  // The official image first starts a temporary server to initialise itself, so wait for two answers in a row.
  for (let good = 0, deadline = Date.now() + 90_000; good < 2; await pause(good > 0 ? 300 : 100)) {
    good = (await ok()) ? good + 1 : 0;
    if (Date.now() > deadline) throw new Error("PostgreSQL did not start within 90 s", { cause: last });
  }
}

/** Waits. @param ms milliseconds */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until something holds; throws after `ms` milliseconds, saying what was waited for. */
export async function until(
  holds: () => boolean | Promise<boolean>,
  ms: number,
  what = "the condition",
): Promise<void> {
  for (const deadline = Date.now() + ms; !(await holds()); await pause(25)) {
    if (Date.now() > deadline) throw new Error(`${what} did not come about within ${ms} ms`);
  }
}

/** A port that nothing listens on now. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
