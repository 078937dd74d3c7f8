import { randomBytes, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Settings } from "./settings.js";

/** The sandbox's state between runs: one small file per subject under `.sandbox/`, each readable only by its owner. */
export class State {
  readonly dir: string;

  constructor(settings: Settings) {
    this.dir = settings.stateDir;
    mkdirSync(this.dir, { recursive: true, mode: 0o700 });
  }

  path(...parts: string[]): string {
    return join(this.dir, ...parts);
  }

  has(name: string): boolean {
    return existsSync(this.path(name));
  }

  readText(name: string): string | undefined {
    return existsSync(this.path(name)) ? readFileSync(this.path(name), "utf8") : undefined;
  }

  readJson<T>(name: string): T | undefined {
    const text = this.readText(name);
    return text === undefined ? undefined : (JSON.parse(text) as T);
  }

  /** Writes atomically: an interrupted run leaves the old content or the new, never a part. */
  write(name: string, content: string, mode = 0o600): string {
    const path = this.path(name);
    if (existsSync(path) && readFileSync(path, "utf8") === content) return path;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const temporary = `${path}.${process.pid}.tmp`;
    writeFileSync(temporary, content, { mode });
    renameSync(temporary, path);
    return path;
  }

  writeJson(name: string, value: unknown): string {
    return this.write(name, JSON.stringify(value, undefined, 2) + "\n");
  }

  /**
   * A password, generated once and kept: 32 random bytes, URL-safe, so that it needs no escaping in connection strings.
   */
  secret(name: string): string {
    const secrets = this.readJson<Record<string, string>>("secrets.json") ?? {};
    const known = secrets[name];
    if (known !== undefined) return known;
    const made = randomBytes(32).toString("base64url");
    this.writeJson("secrets.json", { ...secrets, [name]: made });
    return made;
  }

  /** Identifies this sandbox's data: volumes have it as a label, so that a volume whose keys are lost is recognised. */
  get dataId(): string {
    const known = this.readText("data-id")?.trim();
    if (known) return known;
    const made = randomUUID();
    this.write("data-id", made + "\n");
    return made;
  }
}
