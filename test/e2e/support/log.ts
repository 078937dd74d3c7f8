import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, until, type Ran, type Sandbox } from "./sandbox";

/** The log of a stack, as its clients and auditors know it: through the edge. */
export class Log {
  private readonly directory = mkdtempSync(join(tmpdir(), "log-"));

  constructor(private readonly sandbox: Sandbox) {
    writeFileSync(this.file("token"), sandbox.get("AUDIT_READ_TOKEN"), { mode: 0o600 });
  }

  file(name: string): string {
    return join(this.directory, name);
  }

  /** The public keys that the stack gives out. */
  async keys(): Promise<string[]> {
    return JSON.parse(await this.sandbox.mustPulumi("stack", "output", "logKeys", "--json")) as string[];
  }

  /** What auditors run: the file that needs nothing but Node, with the stack's keys or those given. */
  async verifier(args: readonly string[], keys?: readonly string[]): Promise<Ran> {
    const given = (keys ?? (await this.keys())).flatMap((key) => ["--key", key]);
    const from = ["--url", this.sandbox.get("AUDIT_URL"), "--token-file", this.file("token")];
    return run([process.execPath, "--import", "tsx", "audit-svc/src/verify-main.ts", ...args, ...from, ...given]);
  }

  async mustBeWhole(args: readonly string[] = [], keys?: readonly string[]): Promise<void> {
    const { code, output } = await this.verifier(["verify", ...args], keys);
    assert.equal(code, 0, output);
  }

  async read(path: string): Promise<string> {
    const { status, body } = await this.sandbox.edge(path, { token: this.sandbox.get("AUDIT_READ_TOKEN") });
    assert.equal(status, 200, `${path}: ${body}`);
    return body;
  }

  async size(): Promise<number> {
    return Number((await this.read("/log/checkpoint")).split("\n")[1]);
  }

  /** Stores an event. @returns its id */
  async store(): Promise<string> {
    const id = randomUUID();
    const event = { id, application: "demo", actor: "log", action: "see", resource: id, outcome: "success" };
    const { status, body } = await this.sandbox.edge("/v1/events", {
      ...{ method: "POST", token: this.sandbox.get("AUDIT_TOKEN") },
      body: JSON.stringify({ ...event, occurredAt: new Date().toISOString(), data: { n: 1 } }),
    });
    assert.equal(status, 201, body);
    return id;
  }

  /** @returns the event's proof */
  provenWithin(id: string, seconds: number): Promise<string> {
    return until(`a checkpoint covers ${id}`, seconds, async () => {
      const token = this.sandbox.get("AUDIT_READ_TOKEN");
      const { status, body } = await this.sandbox.edge(`/v1/events/${id}/proof`, { token });
      return status === 200 ? body : undefined;
    });
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}
