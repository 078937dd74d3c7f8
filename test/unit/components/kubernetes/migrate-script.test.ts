import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { scriptWords } from "../../../../components/host/script-file";
import { clusterScripts } from "../../support/cluster-scripts";
import { fakeProgram } from "../../support/fake-programs";

describe("migrate.sh, which runs the migrations of a deploy to a cluster", () => {
  const { directory, at, script, kubectl, asked } = clusterScripts();
  /** A cluster that names the Job `m-1`. */
  const migration = (...answers: [pattern: string, program: string][]) =>
    kubectl(...answers, ["create --filename", "echo m-1"], ["get job m-1", "echo Job"]);
  const migrate = (seconds = 900, input = "") =>
    script("migrate.sh", ["m", seconds, "kubectl", "--context", "c"], { MANIFEST: "{job}" }, input);
  const untilDone = () => `if [ -e ${at("done")} ]; then echo Succeeded; else echo Running; fi`;

  it("gives the Job its configuration by standard input, and prints what it printed", () => {
    migration(
      ["create --filename", `cat > ${at("manifest")}; echo m-1`],
      ["attach", `cat > ${at("given")}; touch ${at("done")}`],
      ["{{.status.phase}}", untilDone()],
      ["logs", "echo 'schema version 4'"],
    );
    assert.deepEqual(migrate(900, "the configuration"), { status: 0, stdout: "schema version 4\n", stderr: "" });
    assert.equal(readFileSync(at("manifest"), "utf8"), "{job}");
    assert.equal(readFileSync(at("given"), "utf8"), "the configuration");
    assert.doesNotMatch(asked(), /the configuration/);
  });

  it("removes what an earlier deploy left, and then follows the Job that it has made, by its name", () => {
    migration(["{{.status.phase}}", "echo Succeeded"]);
    assert.equal(migrate().status, 0);
    const [first = "", second = "", ...then] = asked().replaceAll("--context c ", "").trim().split("\n");
    assert.match(first, /^delete job --selector app\.kubernetes\.io\/name=m /);
    assert.match(second, /^create /);
    assert.match(then.at(-1) ?? "", /^delete job m-1 /);
    for (const line of then) assert.match(line, /(^| |=|\/)m-1( |$)/);
  });

  it("says so where another deploy has replaced its Job, and reads no other's lines", () => {
    for (const job of ["", "echo Job2026-12-01T00:00:00Z"])
      for (const phase of ["", "echo Failed"]) {
        rmSync(at("asked"), { force: true });
        migration(["{{.status.phase}}", phase], ["get job m-1", job]);
        assert.deepEqual(
          migrate().stderr,
          "the migration was removed: another deploy has replaced it, or somebody has deleted the Job m-1. What served before keeps serving.\n",
        );
        assert.doesNotMatch(asked(), /^--context c logs/m);
      }
  });

  it("says which pod of an earlier migration does not end, and on which node", () => {
    const late = "echo 'error: timed out waiting for the condition on jobs/m-0' >&2; exit 1";
    migration(["delete job --selector", late], ["get pods", "echo 'm-0-x on the node n2'"]);
    assert.deepEqual(migrate(), {
      ...{ status: 1, stdout: "" },
      stderr:
        "an earlier migration does not end: m-0-x on the node n2. If that node is lost for good: kubectl --context c delete pod m-0-x --force. Then deploy again. Nothing was migrated.\n",
    });
    migration(["delete job --selector", "echo 'Error from server (Forbidden): no' >&2; exit 1"]);
    assert.equal(
      migrate().stderr,
      "an earlier migration cannot be removed: Error from server (Forbidden): no. Nothing was migrated.\n",
    );
    assert.doesNotMatch(asked(), / create /);
  });

  it("fails with the Job's last lines", () => {
    migration(["{{.status.phase}}", "echo Failed"], ["logs", "echo 'column is missing'"]);
    const { status, stderr } = migrate();
    assert.deepEqual(
      [status, stderr],
      [1, "column is missing\nthe migration failed; its last lines are above. What served before keeps serving.\n"],
    );
  });

  it("gives the configuration again where the connection has failed, and says why it did", () => {
    const tries = `echo >> ${at("tries")}; [ "$(wc -l < ${at("tries")})" -gt 2 ]`;
    const given = `cat > ${at("given")}; touch ${at("done")}`;
    migration(
      ["attach", `${tries} || { echo 'error: unable to upgrade connection' >&2; exit 1; }; ${given}`],
      ["{{.status.phase}}", untilDone()],
      ["logs", "echo 'schema version 4'"],
    );
    assert.deepEqual(migrate(900, "the configuration"), {
      ...{ status: 0, stdout: "schema version 4\n" },
      stderr: "error: unable to upgrade connection\n".repeat(2),
    });
    assert.equal(readFileSync(at("given"), "utf8"), "the configuration");
  });

  it("ends where the cluster refuses for good to connect it to the pod", () => {
    migration(
      ["attach", "echo 'Error from server (Forbidden): pods/attach' >&2; exit 1"],
      ["{{.status.phase}}", "/bin/sleep 0.1; echo Running"],
    );
    assert.deepEqual(migrate(), {
      ...{ status: 1, stdout: "" },
      stderr:
        "Error from server (Forbidden): pods/attach\nthe migration's pod did not take its configuration, for the reason above. Nothing was migrated.\n",
    });
    assert.equal(asked().split("attach ").length, 2);
  });

  it("ends by itself after it was killed, once its Job is gone", async () => {
    const answer = `[ ! -e ${at("gone")} ] || echo 'Error from server (NotFound): jobs.batch "m-1" not found' >&2; exit 1`;
    migration(["attach", answer], ["{{.status.phase}}", "/bin/sleep 0.1; echo Running"]);
    // Time passes slowly enough for the deadline to play no part.
    fakeProgram(directory(), "date", "echo 0");
    const [program = "", ...words] = scriptWords("../kubernetes/scripts/migrate.sh", ["m", 900, "kubectl"]);
    const env = { ...process.env, PATH: `${directory()}:${process.env.PATH ?? ""}`, MANIFEST: "{}" };
    const child = spawn(program, words, { env, stdio: ["ignore", "ignore", "ignore"] });
    const ended = once(child, "exit");
    const tries = () => (existsSync(at("asked")) ? asked().split("attach ").length : 0);
    while (tries() < 3) await sleep(20);
    child.kill("SIGKILL");
    await ended;
    writeFileSync(at("gone"), "");
    await sleep(500);
    const then = asked();
    await sleep(500);
    assert.equal(asked(), then);
  });

  it("ends a migration that hangs, with its last lines, while its input is still open", () => {
    // As kubectl does: it ends with the Job.
    migration(
      ["attach", `until [ -e ${at("gone")} ]; do /bin/sleep 0.1; done`],
      ["{{.status.phase}}", "echo Running"],
      ["logs", "echo 'waiting for a lock'"],
      ["delete job m-1", `touch ${at("gone")}`],
    );
    const { status, stderr } = migrate(5);
    assert.deepEqual(
      [status, stderr],
      [
        1,
        "waiting for a lock\nthe migration did not end within 5 s and was stopped; its last lines are above. What served before keeps serving.\n",
      ],
    );
  });

  it("says that the pod was removed, and not that the migration failed", () => {
    const removed = ["{{if .metadata.deletionTimestamp}}", "echo removed"] as [string, string];
    migration(["{{.status.phase}}", "echo Failed"], removed, ["get job", "echo Job"], ["logs", "echo unable"]);
    const { status, stderr } = migrate();
    assert.equal(status, 1);
    assert.match(stderr, /^the migration's pod was removed: somebody has deleted it, or its node is being emptied\. /);
  });

  it("keeps a migration where the cluster does not answer for a moment", () => {
    const phases = `n=$(grep -c status.phase ${at("asked")}); case $n in 2 | 4) echo 'error: EOF' >&2; exit 1 ;; 1 | 3) echo Pending ;; 5 | 6) echo Running ;; *) echo Succeeded ;; esac`;
    migration(["{{.status.phase}}", phases], ["logs", "echo 'schema version 4'"]);
    const { status, stdout } = migrate();
    assert.deepEqual([status, stdout], [0, "schema version 4\n"]);
  });

  it("says at once what keeps the Job from starting", () => {
    migration(["{{.status.phase}}", "echo Pending"], ["state.waiting", "echo 'ImagePullBackOff: no such image'"]);
    assert.equal(
      migrate().stderr,
      "the image cannot be pulled: ImagePullBackOff: no such image. Nothing was migrated.\n",
    );
    migration(["{{.status.phase}}", ""], ["get events", "echo 'exceeded quota: small'"]);
    assert.equal(
      migrate().stderr,
      "the cluster refuses the migration's pod: exceeded quota: small. Nothing was migrated.\n",
    );
  });
});
