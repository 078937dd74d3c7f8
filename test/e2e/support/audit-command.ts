import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { join } from "node:path";
import { root, run, type Ran, type Sandbox } from "./sandbox";

/** The words that run the command `audit` from this repository. */
export const program = [process.execPath, join(root, "cli/audit.mjs")];

/** The command `audit` as its users run it on a stack of the sandbox. Nothing that it prints may hold a secret. */
export class AuditCommand {
  private constructor(
    private readonly sandbox: Sandbox,
    private readonly secrets: readonly string[],
  ) {}

  /** @throws AssertionError if a secret is missing, since it would not be found in an output either */
  static async of(sandbox: Sandbox): Promise<AuditCommand> {
    const { env } = sandbox;
    const service = await sandbox.vault<{ data: { data: { database: { password: string } } } }>(
      "GET",
      `secret/data/audit-svc/${sandbox.get("PULUMI_STACK")}`,
    );
    const secrets = [
      ...["VAULT_TOKEN", "PGPASSWORD", "AUDIT_TOKEN", "AUDIT_READ_TOKEN", "AUDIT_REGISTRY_PASSWORD"].map((name) => env[name]),
      ...[env.GRAFANA_AUTH?.split(":")[1], new URL(env.PULUMI_BACKEND_URL ?? "").password],
      service?.data.data.database.password,
    ].map((secret) => secret ?? assert.fail("a secret is missing, so the test would not find it")); // prettier-ignore
    return new AuditCommand(sandbox, secrets);
  }

  /** @returns what it was given @throws AssertionError if a secret is in its output */
  clean(ran: Ran): Ran {
    for (const secret of this.secrets) assert.ok(!ran.output.includes(secret), `a secret is in: ${ran.output.replaceAll(secret, "…")}`); // prettier-ignore
    return ran;
  }

  async run(argv: readonly string[], env: NodeJS.ProcessEnv = {}, input?: string): Promise<Ran> {
    return this.clean(await run([...program, ...argv], { ...this.sandbox.env, ...env }, input));
  }

  /** Like {@link run}, but it must succeed. @returns its standard output */
  async must(...argv: string[]): Promise<string> {
    const { code, stdout, output } = await this.run(argv);
    assert.equal(code, 0, output);
    return stdout;
  }

  /** What it answers with `--json`, where that is one line. */
  async json<T>(...argv: string[]): Promise<T> {
    return JSON.parse(await this.must(...argv, "--json")) as T;
  }

  /** What it answers with `--json`, line by line. */
  async jsonLines<T>(...argv: string[]): Promise<T[]> {
    return (await this.must(...argv, "--json")).trim().split("\n").map((line) => JSON.parse(line) as T); // prettier-ignore
  }

  /** Starts it, and hands over each line as it comes. */
  follow(argv: readonly string[], onLine: (line: string) => void): Followed {
    const [file = "", ...words] = [...program, ...argv];
    const child = spawn(file, words, { env: this.sandbox.env, stdio: ["ignore", "pipe", "inherit"] });
    createInterface({ input: child.stdout }).on("line", (output) => {
      onLine(this.clean({ code: 0, output, stdout: output }).stdout);
    });
    return new Followed(child);
  }
}

/** A command that goes on until it is ended. */
export class Followed {
  private readonly ended: Promise<unknown[]>;

  constructor(private readonly child: ChildProcess) {
    this.ended = once(child, "close");
  }

  /** Ends it as a terminal that closes does. @returns its exit code */
  async end(): Promise<number | null> {
    this.child.kill("SIGTERM");
    const [code] = (await this.ended) as [number | null];
    return code;
  }
}
