import { createPrivateKey, generateKeyPairSync, sign } from "node:crypto";
import type { AddressInfo } from "node:net";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type App, buildApp } from "../../src/app.js";
import type { DatabaseConfig } from "../../src/config.js";
import type { LogConfig } from "../../src/log/config.js";
import { type Verifier, toNote, vkeyOf } from "../../src/log/note.js";
import { Service, type Source } from "../../src/log/source.js";
import { type Verdict, verify } from "../../src/log/verify.js";
import { until } from "./postgres.js";
import { ConfigFile, configContent, tokens } from "./service.js";

export const ORIGIN = "audit.example.com/test";

/** A key that signs a test's log. */
export function newKey(): { privateKey: string; verifier: Verifier; vkey: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  const { x = "" } = publicKey.export({ format: "jwk" });
  const verifier = { name: ORIGIN, publicKey: Buffer.from(x, "base64url") };
  return {
    privateKey: privateKey.export({ format: "pem", type: "pkcs8" }).toString(),
    verifier,
    vkey: vkeyOf(verifier),
  };
}

const directories: string[] = [];
process.on("exit", () => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

/** A directory that goes with the process. */
export function newDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "audit-svc-log-"));
  directories.push(directory);
  return directory;
}

/** A service that keeps a log and listens. */
export class LoggingService {
  url = "";

  private constructor(
    readonly app: App,
    readonly file: ConfigFile,
    readonly key: ReturnType<typeof newKey>,
  ) {}

  static async start(
    database: DatabaseConfig,
    { key = newKey(), log = {} }: { key?: ReturnType<typeof newKey>; log?: Partial<LogConfig> } = {},
  ): Promise<LoggingService> {
    const file = new ConfigFile();
    const settings = { origin: ORIGIN, signer: { privateKey: key.privateKey }, ...log };
    file.write({ ...configContent(database), log: settings });
    const app = await buildApp({ configFile: file.path, logLevel: "silent" });
    const reload = await app.configReloader.reload();
    if (reload.result !== "applied") throw new Error(reload.reason ?? reload.result);
    const service = new LoggingService(app, file, key);
    await app.main.listen({ host: "127.0.0.1", port: 0 });
    service.url = `http://127.0.0.1:${(app.main.server.address() as AddressInfo).port}`;
    return service;
  }

  source(): Service {
    return new Service(new URL(this.url), tokens.reader);
  }

  get(path: string, token: string | undefined = tokens.reader): Promise<Response> {
    return fetch(this.url + path, token === "" ? {} : { headers: { authorization: `Bearer ${token}` } });
  }

  /** The value of one of its metrics; NaN if it is unknown. */
  async metric(name: string): Promise<number> {
    const found = new RegExp(`^${name.replace(/[{}"]/g, "\\$&")} (.*)$`, "m").exec(await this.app.metrics.registry.metrics());
    return Number(found?.[1] ?? NaN);
  }

  /** Waits until a checkpoint covers this many entries. */
  async covers(size: number): Promise<string> {
    await until(async () => (await this.metric("audit_log_checkpoint_size")) >= size, 30_000, `a checkpoint of ${size}`);
    return (await this.get("/log/checkpoint")).text();
  }

  /** Reports a checkpoint as a witness does. */
  report(note: string, token = tokens.reader): Promise<Response> {
    return fetch(`${this.url}/log/witnessed`, { method: "POST", body: note, headers: { authorization: `Bearer ${token}`, "content-type": "text/plain" } }); // prettier-ignore
  }

  /** A note with this text, signed by the log's key. */
  signed(text: string): string {
    const { privateKey, verifier } = this.key;
    return toNote(text, verifier, sign(null, Buffer.from(text), createPrivateKey(privateKey)));
  }

  /** What its configuration file has. */
  content(): Record<string, unknown> {
    return JSON.parse(readFileSync(this.file.path, "utf8")) as Record<string, unknown>;
  }

  verify(options: Partial<Expected> = {}): Promise<Verdict> {
    return verifyWith(this.source(), { verifiers: [this.key.verifier], ...options });
  }

  async stop(): Promise<void> {
    await this.app.close();
    this.file.remove();
  }
} // prettier-ignore

interface Expected {
  readonly verifiers: readonly Verifier[];
  readonly since: string;
  readonly retentionDays: number;
}

export function verifyWith(source: Source, options: Pick<Expected, "verifiers"> & Partial<Expected>): Promise<Verdict> {
  return verify(source, { since: undefined, retentionDays: undefined, tolerance: 300, progress: () => undefined, ...options }); // prettier-ignore
}

/** A file with this content. */
export function fileWith(content: string): string {
  const file = join(newDirectory(), "file");
  writeFileSync(file, content);
  return file;
}
