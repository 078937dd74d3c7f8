import assert from "node:assert/strict";
import { AuditCommand, program } from "./support/audit-command";
import { Deploys } from "./support/deploys";
import { attached, run } from "./support/sandbox";

/** What an operator does every day, by the command `audit` as its users run it, in the sandbox. */
describe("scenario: the command audit, every day", function () {
  this.timeout(120_000);
  const sandbox = attached();
  let deploys: Deploys;
  let audit: AuditCommand;

  before(async () => {
    deploys = new Deploys(sandbox());
    audit = await AuditCommand.of(sandbox());
  });
  after(async () => {
    if (!deploys.restored) await deploys.up();
    deploys.close();
  });

  it("rolls back to the release before, with a record, and history shows it", async () => {
    const before = await deploys.state();
    await deploys.mustUp({ memory: deploys.original.memory - 32 });
    const newer = await deploys.state();
    const { from, to } = await audit.json<{ from: string; to: string }>("rollback", "--yes");
    assert.deepEqual([from, to], [newer.slots[newer.active]?.release, before.slots[before.active]?.release]);
    await deploys.serves(before.active);
    deploys.restored = true;
    const { updates } = await audit.json<{ updates: { what: string; release: string; result: string }[] }>("history", "-n", "2"); // prettier-ignore
    assert.deepEqual([updates[0]?.what, updates[0]?.release, updates[0]?.result], ["rollback", to, "succeeded"]);
    assert.match(await audit.must("history", "-n", "1"), new RegExp(`release ${from} -> ${to}`));
  });

  it("shows on one screen what runs, and what was stopped by hand", async () => {
    const { active } = await deploys.state();
    const { stdout: screen } = await audit.run(["status"]);
    // Other scenarios restart replicas so often that Prometheus warns of it.
    const wrong = screen.split("\n").filter((line) => line.includes("✘") && !line.includes("AuditReplicaRestarting"));
    assert.deepEqual(wrong, []);
    // Right after a deploy Prometheus has no rate yet.
    assert.match(screen, /^traffic +[✔!] /m);
    for (const title of ["release", "service", "containers", "drift", "config", "vault", "ends", "events", "targets"])
      // prettier-ignore
      assert.match(screen, new RegExp(`^${title} +✔ `, "m"));
    assert.doesNotMatch(screen, /cannot look/);
    await sandbox().docker("stop", "audit-edge-exporter");
    try {
      const { code, stdout } = await audit.run(["status", "--json"]);
      assert.equal(code, 1);
      const { drift, release } = JSON.parse(stdout) as {
        drift: { differences: string[] };
        release: { active: string };
      };
      assert.deepEqual([drift.differences, release.active], [["audit-edge-exporter is exited"], active]);
    } finally {
      await sandbox().docker("start", "audit-edge-exporter");
    }
  });

  it("watches in a terminal until Ctrl-C, and leaves the last screen there", async () => {
    // `script` of bsdutils gives the command a terminal; what it reads is typed there. 03 is Ctrl-C.
    const line = `(sleep 7; printf '\\003'; sleep 1) | script --quiet --return --command "stty cols 90 rows 40; exec ${program.join(" ")} status --watch --interval 1" /dev/null`; // prettier-ignore
    const { code, stdout } = audit.clean(await run(["sh", "-c", line], { ...sandbox().env, TERM: "xterm" }));
    assert.equal(code, 130, stdout);
    const [drawn = "", left = ""] = stdout.split("\u001b[?25h\u001b[?1049l");
    assert.ok(drawn.includes("\u001b[?1049h"), "it draws on another screen");
    assert.ok(drawn.split("\u001b[H").length >= 3, "it looks more than once");
    assert.match(left, /stack sandbox[^]*alerts/);
    assert.match(left, /\u001b\[32m✔/, "it has colours"); // eslint-disable-line no-control-regex
  });

  it("finds a request in the logs of the edge and of the replicas", async () => {
    const answer = await fetch(`${sandbox().get("AUDIT_URL")}/v1/events?limit=1`, {
      headers: { authorization: `Bearer ${sandbox().get("AUDIT_READ_TOKEN")}` },
    });
    const id = answer.headers.get("x-request-id") ?? assert.fail("no X-Request-Id");
    const { active } = await deploys.state();
    // Nginx writes its log once a second.
    await new Promise((later) => setTimeout(later, 1_500));
    const lines = (await audit.must("logs", "--request", id)).trim().split("\n");
    assert.equal(lines.length, 2, lines.join("\n"));
    assert.ok(lines.some((line) => new RegExp(` ${active}-\\d [0-9a-f]{12} info events read `).test(line)), lines.join("\n")); // prettier-ignore
    assert.ok(lines.some((line) => line.includes(" edge-nginx ") && line.includes("path=/v1/events status=200")));
    const own = await audit.jsonLines<{ time: string }>("logs", "-n", "2");
    assert.deepEqual(own.map(({ time }) => time), own.map(({ time }) => time).sort()); // prettier-ignore
    assert.match(await audit.must("logs", "migrate"), /migrate schema version \d+$/m);
  });

  it("runs a command in a replica, and ends as that command does", async () => {
    assert.match(await audit.must("exec", "--", "printenv", "AUDIT_RELEASE"), /^[0-9a-f]{12}\n$/);
    assert.equal((await audit.run(["exec", "edge", "--", "sh", "-c", "exit 7"])).code, 7);
    const typed = await audit.run(["exec", "agent"], {}, "echo typed; exit 3\n");
    assert.deepEqual([typed.code, typed.stdout], [3, "typed\n"]);
  });

  it("opens the database read-only as the service, and for changes as its owner", async () => {
    const sql = "SELECT current_user AS who, current_setting('transaction_read_only') AS read_only";
    const { rows } = await audit.json<{ rows: object[] }>("psql", "-c", sql);
    assert.deepEqual(rows, [{ who: "audit_runtime", read_only: "on" }]);
    const written = await audit.json<{ rows: object[] }>("psql", "--write", "-c", sql);
    assert.deepEqual(written.rows, [{ who: "audit_owner", read_only: "off" }]);
    for (const argv of [["psql", "-c", "DELETE FROM audit.events"], ["psql"]]) {
      const { output } = await audit.run(argv, {}, "DELETE FROM audit.events;\n");
      assert.match(output, /cannot execute DELETE in a read-only transaction/);
    } // prettier-ignore
    const several = await audit.run(["psql", "-c", "COMMIT; DELETE FROM audit.events"]);
    assert.match(several.output, /-c takes one statement/);
  });

  it("reads events with the reader's token from Vault", async () => {
    const actor = `audit-day-${Date.now()}`;
    const event = { application: "demo", actor, action: "look", resource: "it", outcome: "success", occurredAt: new Date().toISOString() }; // prettier-ignore
    const sent = await sandbox().edge("/v1/events", { method: "POST", token: sandbox().get("AUDIT_TOKEN"), body: JSON.stringify(event) }); // prettier-ignore
    assert.equal(sent.status, 201, sent.body);
    assert.equal(
      (await audit.json<{ actor: string }>("events", "tail", "-n", "1", "--application", "demo")).actor,
      actor,
    );
    assert.match(await audit.must("events", "find", "--actor", actor), new RegExp(`demo ${actor} look it success`));
  });

  it("says what is wrong and the cure, with no secret in it, also with --json", async () => {
    for (const [argv, env, what] of [
      [["psql", "-c", "SELECT 1"], { PGPASSWORD: "another-password" }, /PGPASSWORD is not the password of deployer/],
      [["events", "tail", "--json"], { VAULT_TOKEN: "hvs.another-token" }, /^{"error":"Vault answered 403/],
      [["history", "--json"], { PULUMI_BACKEND_URL: "postgres://nobody:another-password@127.0.0.1:1/x" }, /^{"error":.*log in to it: PULUMI_BACKEND_URL/],
    ] as const) {
      const { code, output } = await audit.run(argv, env);
      assert.equal(code, 1, output);
      assert.match(output, what);
      assert.doesNotMatch(output, /another-(password|token)/);
    } // prettier-ignore
  });
});
