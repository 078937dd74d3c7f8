import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type App, buildApp } from "../../src/app.js";
import type { DatabaseConfig, LimitsConfig } from "../../src/config.js";
import { freePort, until } from "./postgres.js";

/** The tokens of every test service. */
export const tokens = {
  writer: "writer-of-billing",
  anyWriter: "writer-of-anything",
  reader: "reader-of-everything",
  billingReader: "reader-of-billing",
};

const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");

/** The content of a configuration file. */
export function configContent(database: DatabaseConfig, limits: Partial<LimitsConfig> = {}): Record<string, unknown> {
  return {
    database,
    tokens: [
      { name: "writer", sha256: sha256(tokens.writer), role: "writer", application: "billing" },
      { name: "any", sha256: sha256(tokens.anyWriter), role: "writer" },
      { name: "reader", sha256: sha256(tokens.reader), role: "reader" },
      { name: "billing reader", sha256: sha256(tokens.billingReader), role: "reader", application: "billing" },
    ],
    limits,
  };
}

/** A configuration file that is replaced as an agent does it: written to a temporary file, then renamed. */
export class ConfigFile {
  readonly directory = mkdtempSync(join(tmpdir(), "audit-svc-test-"));
  readonly path = join(this.directory, "config.json");

  write(content: object | string): void {
    const next = join(this.directory, ".next");
    writeFileSync(next, typeof content === "string" ? content : JSON.stringify(content));
    renameSync(next, this.path);
  }

  remove(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A service in this process, without sockets, its configuration in force. */
export async function startApp(
  database: DatabaseConfig,
  limits: Partial<LimitsConfig> = {},
): Promise<{ app: App; file: ConfigFile; stop: () => Promise<void> }> {
  const file = new ConfigFile();
  file.write(configContent(database, limits));
  const app = await buildApp({ configFile: file.path, logLevel: "silent" });
  const reload = await app.configReloader.reload();
  if (reload.result !== "applied")
    throw new Error(`the service did not take its configuration: ${reload.reason ?? ""}`);
  return {
    app,
    file,
    async stop() {
      await app.close();
      file.remove();
    },
  };
}

let bundle: string | undefined;

/** Path of the bundled program, built once. */
export function program(): string {
  if (bundle === undefined) {
    const directory = mkdtempSync(join(tmpdir(), "audit-svc-dist-"));
    process.on("exit", () => rmSync(directory, { recursive: true, force: true }));
    execFileSync(process.execPath, [fileURLToPath(new URL("../../build.mjs", import.meta.url)), directory]);
    writeFileSync(join(directory, "package.json"), '{"type":"module"}');
    bundle = join(directory, "main.js");
  }
  return bundle;
}

/** The image's environment variables, so that memory is limited as in the image. */
export function imageEnv(): Record<string, string> {
  const dockerfile = readFileSync(new URL("../../Dockerfile", import.meta.url), "utf8");
  const [, options] = /NODE_OPTIONS="(.*)"/.exec(dockerfile) ?? [];
  const [, arenas] = /MALLOC_ARENA_MAX=(\d+)/.exec(dockerfile) ?? [];
  if (options === undefined || arenas === undefined) throw new Error("the Dockerfile bounds no memory");
  return { NODE_OPTIONS: options, MALLOC_ARENA_MAX: arenas };
}

/** The service as a separate process. */
export class ServiceProcess {
  readonly url: string;
  readonly adminUrl: string;
  child: ChildProcess | undefined;
  log = "";

  private constructor(
    readonly port: number,
    readonly adminPort: number,
    readonly file: ConfigFile,
    readonly env: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
    this.adminUrl = `http://127.0.0.1:${adminPort}`;
  }

  static async create(file: ConfigFile, env: Record<string, string> = {}): Promise<ServiceProcess> {
    return new ServiceProcess(await freePort(), await freePort(), file, env);
  }

  /** Starts it and, by default, waits until it is ready. */
  async start(options: { ready?: boolean } = {}): Promise<void> {
    const child = spawn(process.execPath, [program(), "serve"], {
      env: {
        ...imageEnv(),
        PATH: process.env.PATH ?? "",
        AUDIT_CONFIG_FILE: this.file.path,
        AUDIT_LISTEN: `127.0.0.1:${this.port}`,
        AUDIT_ADMIN_LISTEN: `127.0.0.1:${this.adminPort}`,
        ...this.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on("data", (chunk: Buffer) => (this.log = (this.log + chunk.toString()).slice(-20_000)));
    await until(
      () => this.answers(options.ready === false ? "/healthz" : "/readyz"),
      20_000,
      `the service (log: ${this.log})`,
    );
  }

  async answers(path: string): Promise<boolean> {
    try {
      const answer = await fetch(this.url + path, { signal: AbortSignal.timeout(2000) });
      await answer.arrayBuffer();
      return answer.ok;
    } catch {
      return false;
    }
  }

  /** Whether at least this many events wait to be stored. */
  async busy(events: number): Promise<boolean> {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    return Number(/^audit_ingest_queue_depth (.*)$/m.exec(text)?.[1]) >= events;
  }

  /** Sends a signal and resolves to the exit code, or null if the signal ended it. */
  async end(signal: NodeJS.Signals): Promise<number | null> {
    const { child } = this;
    if (child?.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const gone = new Promise<number | null>((resolve) => child.once("exit", resolve));
    child.kill(signal);
    return gone;
  }
}
