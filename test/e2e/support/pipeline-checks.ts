import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { secretsOf, type Result } from "./pipeline";
import { platform, run, type Sandbox } from "./sandbox";

interface Release {
  release: string;
  image: string;
}
export interface Slots {
  active: "blue" | "green";
  slots: Partial<Record<"blue" | "green", Release>>;
}

export const slotsOf = async (sandbox: Sandbox): Promise<Slots> =>
  JSON.parse(await sandbox.mustPulumi("stack", "output", "releases", "--json")) as Slots;
export const serving = ({ active, slots }: Slots): string | undefined => slots[active]?.release;
export const containersOf = async (sandbox: Sandbox): Promise<string[]> =>
  (await sandbox.docker("ps", "--all", "--no-trunc", "--format", "{{.Names}} {{.ID}} {{.State}}")).split("\n").sort();

/** Asserts that a pipeline succeeded, and prints how long it took. */
export function green(result: Result): Result {
  assert.equal(result.code, 0, result.log);
  console.log(`      ${result.seconds.toFixed(0)} s`);
  return result;
}

/** Asserts that a pipeline fails with one clear line and changes nothing. */
export async function changingNothing(sandbox: Sandbox, pipeline: () => Promise<Result>, why: RegExp): Promise<void> {
  const before = [await slotsOf(sandbox), await containersOf(sandbox)];
  const result = await pipeline();
  assert.notEqual(result.code, 0, result.log);
  assert.equal(result.errors.length, 1, result.log);
  assert.match(result.errors[0] ?? "", why);
  assert.deepEqual([await slotsOf(sandbox), await containersOf(sandbox)], before);
}

export function showsNoSecret(sandbox: Sandbox, logs: readonly string[]): void {
  const secrets = {
    ...secretsOf(),
    VAULT_TOKEN: sandbox.get("VAULT_TOKEN"),
    AUDIT_TOKEN: sandbox.get("AUDIT_TOKEN"),
  };
  const text = logs.join("\n");
  assert.ok(text.length > 5_000);
  for (const [name, secret] of Object.entries(secrets))
    for (const form of [secret, Buffer.from(secret).toString("base64").replace(/=+$/, "").slice(0, -1)])
      assert.equal(text.includes(form), false, `${name} is in a job's log`);
  assert.doesNotMatch(text, /hvs\.[A-Za-z0-9_-]{20,}|eyJ[A-Za-z0-9_-]{20,}\.eyJ|BEGIN OPENSSH PRIVATE KEY/);
}

/** SQL as PostgreSQL's superuser. */
export async function onPostgres(text: string): Promise<void> {
  const psql = ["exec", "-i", platform("postgres"), "psql", "-XqU", "postgres", "-v", "ON_ERROR_STOP=1"];
  const { code, output } = await run(["docker", ...psql], { ...process.env, DOCKER_HOST: undefined }, text);
  assert.equal(code, 0, output);
}

/** A disposable database like the one in the job `migrations`, and the job's variables for it. */
export async function emptyDatabase(
  sandbox: Sandbox,
): Promise<{ variables: Record<string, string>; remove: () => Promise<void> }> {
  const name = `migrations_${randomBytes(4).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  await onPostgres(`CREATE ROLE ${name} LOGIN PASSWORD '${password}';\nCREATE DATABASE ${name} OWNER ${name};\n`);
  return {
    variables: {
      PGHOST: sandbox.get("PGHOST"),
      PGPORT: sandbox.get("PGPORT"),
      PGDATABASE: name,
      PGUSER: name,
      PGPASSWORD: password,
    },
    remove: () => onPostgres(`DROP DATABASE ${name} WITH (FORCE);\nDROP ROLE ${name};\n`),
  };
}

/** The locks of the stack's state in Pulumi's PostgreSQL backend. */
export class StateLocks {
  constructor(private readonly sandbox: Sandbox) {}

  async held(): Promise<{ pid: number; username: string; hostname: string }[]> {
    const lines = await this.#sql(
      "SELECT data->>'data' FROM pulumi_state WHERE key LIKE '%locks/organization/audit/%'",
    );
    return lines
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(Buffer.from(line, "base64").toString()) as Awaited<ReturnType<StateLocks["held"]>>[0]);
  }

  /** Creates a lock like another machine's run. @returns a function that removes it if it still exists */
  async put(owner: { pid: number; username: string; hostname: string }): Promise<() => Promise<void>> {
    const stack = await this.#sql("SELECT key FROM pulumi_state WHERE key LIKE '%stacks/audit/sandbox.json%' LIMIT 1");
    const name = "locks/organization/audit/sandbox/00000000-0000-4000-8000-000000000000.json";
    const key = stack.replace(/stacks\/.*/, name);
    const lock = Buffer.from(JSON.stringify({ ...owner, timestamp: new Date().toISOString() })).toString("base64");
    await this.#sql(`INSERT INTO pulumi_state (key, data) VALUES ('${key}', '${JSON.stringify({ data: lock })}')`);
    return async () => {
      await this.#sql(`DELETE FROM pulumi_state WHERE key = '${key}'`);
    };
  }

  async #sql(text: string): Promise<string> {
    const { code, output, stdout } = await run(
      ["psql", this.sandbox.get("PULUMI_BACKEND_URL"), "-XAtc", text],
      this.sandbox.env,
    );
    assert.equal(code, 0, output);
    return stdout.trim();
  }
}
