import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { platform, root, run, type Sandbox } from "./sandbox";

const onHere = { ...process.env, DOCKER_HOST: undefined };

/** Copies the service's database to .sandbox/backup, so that running the tests loses nobody's events. */
export async function keepEvents(): Promise<void> {
  const dump = await run(
    ["docker", "exec", platform("postgres"), "pg_dump", "-U", "postgres", "--inserts", "audit"],
    onHere,
  );
  assert.equal(dump.code, 0, dump.output);
  const dir = join(root, ".sandbox/backup");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const file = join(dir, `audit-${new Date().toISOString().replaceAll(":", "")}.sql`);
  writeFileSync(file, dump.stdout, { mode: 0o600 });
  console.log(`      the sandbox's events are kept in ${file}`);
}

/** `pulumi destroy` of a stack of the sandbox, the events included. */
export async function destroy(sandbox: Sandbox, database = "audit"): Promise<void> {
  const attempt = () => sandbox.pulumi(["destroy", "--yes", "--skip-preview"]);
  let { code, output } = await attempt();
  // The provider terminates all sessions in the database, but may not terminate autovacuum or the session that Vault
  // keeps after creating logins. So the server's administrator does it, as in docs/runbook.md.
  for (let again = 0; again < 5 && code !== 0 && output.includes("permission denied to terminate"); again += 1) {
    const psql = ["docker", "exec", platform("postgres"), "psql", "-U", "postgres", "-XAtc"];
    const sql = `SELECT pg_terminate_backend(pid), backend_type, usename, application_name, state, query FROM pg_stat_activity WHERE datname = '${database}'`;
    const ended = await run([...psql, sql], onHere);
    assert.equal(ended.code, 0, ended.output);
    console.log(`      the database's administrator ended: ${ended.stdout.trim() || "nothing"}`);
    ({ code, output } = await attempt());
  }
  assert.equal(code, 0, output);
}
