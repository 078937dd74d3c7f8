import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { program } from "./audit-command";
import { root, run, type Sandbox } from "./sandbox";

interface Answer {
  ok: boolean;
  checks: { id: string; level: string; found: string; cure?: string }[];
}

/** `audit doctor`, as somebody runs it who works on the sandbox. */
export class Doctor {
  /** The stack's file as a test has changed it. */
  readonly changed = join(root, ".sandbox/doctor.yaml");
  /** bootstrap's settings. */
  readonly vaultSettings = join(root, ".sandbox/doctor.json");

  constructor(private readonly sandbox: Sandbox) {}

  /** The words of a command line that runs it. */
  words(only: readonly string[] = [], ...more: string[]): string[] {
    return [...program, "doctor", "--json", ...only.flatMap((name) => ["--only", name]), ...more];
  }

  /** What is not as it should be, by its check. */
  look(env: NodeJS.ProcessEnv = {}, only: readonly string[] = [], ...more: string[]): Promise<Map<string, string>> {
    return this.run(this.words(only, ...more), env);
  }

  /** The same by a command line that ends with {@link words}. */
  async run(words: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Map<string, string>> {
    const { code, stdout, output } = await run(words, { ...this.sandbox.env, ...env });
    for (const name of ["PGPASSWORD", "VAULT_TOKEN", "AUDIT_REGISTRY_PASSWORD"])
      assert.ok(!output.includes((env[name] ?? "") || this.sandbox.get(name)), `${name} in the output`);
    assert.match(stdout, /^\{/, output);
    const { ok, checks } = JSON.parse(stdout) as Answer;
    assert.equal(code, ok ? 0 : 1);
    const wrong = checks.filter(({ level }) => level === "failure" || level === "warning");
    for (const { id, cure } of wrong) assert.ok(cure, id);
    return new Map(wrong.map((each) => [each.id, `${each.level}: ${each.found} ${each.cure ?? ""}`]));
  }

  /** The environment in which the stack's file has other settings. */
  withSettings(settings: Record<string, unknown>): NodeJS.ProcessEnv {
    const { config, ...rest } = parse(readFileSync(this.sandbox.get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as { config: object }; // prettier-ignore
    const own = Object.fromEntries(Object.entries(settings).map(([key, value]) => [`audit:${key}`, value]));
    writeFileSync(this.changed, stringify({ ...rest, config: { ...config, ...own } }));
    return { PULUMI_OPTION_CONFIG_FILE: this.changed };
  }

  close(): void {
    for (const file of [this.changed, this.vaultSettings]) rmSync(file, { force: true });
  }
}
