import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { scriptWords } from "../../../../components/host/script-file";
import { clusterScripts } from "../../support/cluster-scripts";
import { fakeProgram } from "../../support/fake-programs";

describe("the scripts of a deploy to a cluster, by kubectl", () => {
  const { directory, at, script } = clusterScripts();

  /** Has kubectl answer by what it is asked, its words joined; the first pattern that fits decides. */
  const kubectl = (...answers: [pattern: string, program: string][]) => {
    const cases = answers.map(([pattern, program]) => `*"${pattern}"*) ${program} ;;`).join(" ");
    fakeProgram(directory(), "kubectl", `echo "$*" >> ${at("asked")}; case "$*" in ${cases} esac`);
  };
  const asked = () => readFileSync(at("asked"), "utf8");

  it("rollout.sh is done once the Deployment is", () => {
    kubectl(["rollout status", "echo successfully rolled out"]);
    assert.deepEqual(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }), {
      status: 0,
      stdout: "",
      stderr: "",
    });
  });

  it("rollout.sh says why pods are not ready, in their own words", () => {
    kubectl(
      ["rollout status", "echo 'error: exceeded its progress deadline' >&2; exit 1"],
      ["ReplicaFailure", ""],
      ["get pods --selector a=b --output name", "echo pod/audit-svc-1"],
      ["get pod/audit-svc-1", "echo 'service: CrashLoopBackOff back-off 10s, 2 restarts. '"],
      ["get events", "echo 'Unhealthy: HTTP probe failed'"],
      ["logs pod/audit-svc-1", "echo '[service] no such table'"],
    );
    const { status, stderr } = script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" });
    assert.equal(status, 1);
    assert.equal(
      stderr,
      [
        "--- pod/audit-svc-1: service: CrashLoopBackOff back-off 10s, 2 restarts. ",
        "Unhealthy: HTTP probe failed",
        "[service] no such table",
        "audit-svc is not replaced: its pods are not ready within 5 s; their state and last lines are above (error: exceeded its progress deadline). What served before keeps serving.",
        "",
      ].join("\n"),
    );
  });

  it("rollout.sh tells a quota and an image apart from a service that does not start", () => {
    const failed = ["rollout status", "echo 'error: exceeded its progress deadline' >&2; exit 1"] as [string, string];
    kubectl(failed, ["ReplicaFailure", "echo 'exceeded quota: small'"]);
    assert.match(
      script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).stderr,
      /^audit-svc is not replaced: the cluster refuses its pods: exceeded quota: small \(/,
    );
    kubectl(
      failed,
      ["ReplicaFailure", ""],
      ["get pods --selector a=b --output name", "echo pod/audit-svc-1"],
      ["get pod/audit-svc-1", "echo 'service: ImagePullBackOff not found, 0 restarts. '"],
    );
    assert.match(
      script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).stderr,
      /audit-svc is not replaced: an image cannot be pulled: is it there, and may the login of the login read it\?/,
    );
  });

  it("rollout.sh does not wait for ever for a first pod that the cluster refuses, but for slow pods as long as Kubernetes does", () => {
    const waiting = ["rollout status", "echo 'error: timed out waiting for the condition' >&2; exit 1"] as [
      string,
      string,
    ];
    kubectl(waiting, ["ReplicaFailure", "echo 'exceeded quota: small'"]);
    const refused = script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" });
    assert.match(refused.stderr, /^audit-svc is not replaced: the cluster refuses its pods: exceeded quota: small \(/);
    assert.doesNotMatch(asked(), /delete pod/);
    const looks = `[ "$(grep -c 'rollout status' ${at("asked")})" -gt 20 ]`;
    rmSync(at("asked"));
    kubectl(["rollout status", `${looks} || { ${waiting[1]}; }`], ["ReplicaFailure", ""]);
    assert.equal(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).status, 0);
  });

  it("rollout.sh goes on where the cluster does not answer for a while, but not without end", () => {
    const away = "echo 'error: the server is currently unable to handle the request' >&2; exit 1";
    const times = (n: number) => `[ "$(grep -c 'rollout status' ${at("asked")})" -gt ${n} ] || { ${away}; }`;
    const slow = "echo 'error: timed out waiting for the condition' >&2; exit 1";
    // After more than the five seconds that a pod has.
    const late = `[ "$(grep -c 'rollout status' ${at("asked")})" -ne 20 ] || { ${away}; }`;
    const going = `${late}; [ "$(grep -c 'rollout status' ${at("asked")})" -gt 30 ] || { ${slow}; }`;
    for (const answer of [times(3), going]) {
      kubectl(["rollout status", answer]);
      assert.equal(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).status, 0);
      assert.doesNotMatch(asked(), /delete pod/);
      rmSync(at("asked"));
    }
    kubectl(["rollout status", away]);
    assert.match(
      script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).stderr,
      /^audit-svc is not replaced: .* \(error: the server is currently unable to handle the request\)\./,
    );
  });

  it("rollout.sh says how to go on with a Deployment that somebody has paused", () => {
    kubectl(
      ["rollout status", "echo 'error: timed out waiting for the condition' >&2; exit 1"],
      [".spec.paused", "echo true"],
    );
    assert.deepEqual(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl", "--context", "c"], { SETTING: "" }), {
      ...{ status: 1, stdout: "" },
      stderr:
        "audit-svc is not replaced: it is paused. Resume it, then deploy again: kubectl --context c rollout resume deployment/audit-svc. What served before keeps serving.\n",
    });
  });

  /** A cluster that names the Job `m-1`. */
  const migration = (...answers: [pattern: string, program: string][]) =>
    kubectl(...answers, ["create --filename", "echo m-1"], ["get job m-1", "echo Job"]);
  const migrate = (seconds = 900, input = "") =>
    script("migrate.sh", ["m", seconds, "kubectl", "--context", "c"], { MANIFEST: "{job}" }, input);
  const untilDone = () => `if [ -e ${at("done")} ]; then echo Succeeded; else echo Running; fi`;

  it("migrate.sh gives the Job its configuration by standard input, and prints what it printed", () => {
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

  it("migrate.sh removes what an earlier deploy left, and then follows the Job that it has made, by its name", () => {
    migration(["{{.status.phase}}", "echo Succeeded"]);
    assert.equal(migrate().status, 0);
    const [first = "", second = "", ...then] = asked().replaceAll("--context c ", "").trim().split("\n");
    assert.match(first, /^delete job --selector app\.kubernetes\.io\/name=m /);
    assert.match(second, /^create /);
    assert.match(then.at(-1) ?? "", /^delete job m-1 /);
    for (const line of then) assert.match(line, /(^| |=|\/)m-1( |$)/);
  });

  it("migrate.sh says so where another deploy has replaced its Job, and reads no other's lines", () => {
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

  it("migrate.sh says which pod of an earlier migration does not end, and on which node", () => {
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

  it("migrate.sh fails with the Job's last lines", () => {
    migration(["{{.status.phase}}", "echo Failed"], ["logs", "echo 'column is missing'"]);
    const { status, stderr } = migrate();
    assert.deepEqual(
      [status, stderr],
      [1, "column is missing\nthe migration failed; its last lines are above. What served before keeps serving.\n"],
    );
  });

  it("migrate.sh gives the configuration again where the connection has failed, and says why it did", () => {
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

  it("migrate.sh ends where the cluster refuses for good to connect it to the pod", () => {
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

  it("migrate.sh ends by itself after it was killed, once its Job is gone", async () => {
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

  it("migrate.sh ends a migration that hangs, with its last lines, while its input is still open", () => {
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

  it("migrate.sh says that the pod was removed, and not that the migration failed", () => {
    const removed = ["{{if .metadata.deletionTimestamp}}", "echo removed"] as [string, string];
    migration(["{{.status.phase}}", "echo Failed"], removed, ["get job", "echo Job"], ["logs", "echo unable"]);
    const { status, stderr } = migrate();
    assert.equal(status, 1);
    assert.match(stderr, /^the migration's pod was removed: somebody has deleted it, or its node is being emptied\. /);
  });

  it("migrate.sh keeps a migration where the cluster does not answer for a moment", () => {
    const phases = `n=$(grep -c status.phase ${at("asked")}); case $n in 2 | 4) echo 'error: EOF' >&2; exit 1 ;; 1 | 3) echo Pending ;; 5 | 6) echo Running ;; *) echo Succeeded ;; esac`;
    migration(["{{.status.phase}}", phases], ["logs", "echo 'schema version 4'"]);
    const { status, stdout } = migrate();
    assert.deepEqual([status, stdout], [0, "schema version 4\n"]);
  });

  it("migrate.sh says at once what keeps the Job from starting", () => {
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

  it("confirm.sh asks every pod, and does without one that has gone meanwhile", () => {
    kubectl(["{{if not ", "echo one; echo two"], ["exec one", ""], ["exec two", "exit 1"], ["get pod two", ""]);
    assert.equal(script("confirm.sh", ["audit-svc", "agent", "00", "left out", "kubectl"]).status, 0);
    assert.match(asked(), /^exec one --container agent -- sh \/agent\/confirm-pod\.sh 00 left out$/m);
  });

  it("confirm.sh first lets pods end, whose login may go afterwards", () => {
    const ending = `{ [ -e ${at("ended")} ] || echo old; : > ${at("ended")}; }`;
    kubectl(["{{if .metadata.deletionTimestamp", ending], ["{{if not ", "echo new"]);
    assert.equal(script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]).status, 0);
    assert.match(asked(), /^(get pods [^]*?\{\{if \.metadata[^]*?){2}get pods [^]*\{\{if not [^]*exec new /);
  });

  it("confirm.sh names the pod that has not confirmed", () => {
    const refused = "echo 'reload: not confirmed' >&2; exit 1";
    kubectl(["{{if not ", "echo one; echo two"], ["exec one", refused], ["get pod one", "echo pod/one"]);
    const { status, stderr } = script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]);
    assert.equal(status, 1);
    assert.equal(
      stderr,
      "--- one: reload: not confirmed\nnot confirmed by: one. Nothing was locked, and the former login still works.\n",
    );
  });

  it("confirm.sh takes a service without pods for none that has confirmed", () => {
    kubectl();
    const { status, stderr } = script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]);
    assert.equal(status, 1);
    assert.match(
      stderr,
      /^no pod of audit-svc runs, so none has confirmed\. .* `pulumi up --refresh`\. Nothing was locked/,
    );
  });

  it("confirm.sh takes no silence of the cluster for a confirmation", () => {
    const away = "echo 'connection refused' >&2; exit 1";
    kubectl(["{{if not ", "echo one"], ["exec one", away], ["get pod one", away]);
    assert.match(script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]).stderr, /^not confirmed by: one\./m);
    kubectl(["{{if .metadata.deletionTimestamp", away], ["{{if not ", "echo one"]);
    assert.equal(script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]).status, 1);
  });

  describe("check-policies.sh", () => {
    const policies = (check: string, open: string, closed: string) => {
      kubectl(
        ["get pod open", `echo ${open}`],
        ["get pod closed", `echo ${closed}`],
        ["create", `cat >> ${at("asked")}; echo >> ${at("asked")}`],
      );
      const pods = { OPEN_POD: "{open}", CLOSED_POD: "{closed}" };
      return script("check-policies.sh", ["open", "closed", "kubectl"], {
        ...pods,
        CHECK: check,
        SETTING: "the check",
      });
    };
    const made = () => asked().match(/^\{.*\}$/gm);

    it("starts the closed pod once the open one has got an answer", () => {
      assert.deepEqual(policies("require", "Succeeded", "Succeeded"), { status: 0, stdout: "", stderr: "" });
      assert.match(asked(), /\{open\}\n(.*\n)*get pod open .*\n(.*\n)*\{closed\}/);
    });

    it("refuses a network that lets the closed pod out, or warns of it", () => {
      const { status, stderr } = policies("require", "Succeeded", "Failed");
      assert.equal(status, 1);
      assert.match(stderr, /^this cluster's network does not enforce NetworkPolicies: .*set the check to warn/);
      const warned = policies("warn", "Succeeded", "Failed");
      assert.equal(warned.status, 0);
      assert.match(warned.stderr, /^warning: this cluster's network does not enforce NetworkPolicies/);
    });

    it("learns nothing where the open pod gets no answer either", () => {
      const { status, stderr } = policies("require", "Failed", "Succeeded");
      assert.equal(status, 1);
      assert.match(stderr, /could not be told: a pod that may reach everything did not reach/);
      assert.deepEqual(made(), ["{open}"]);
    });
  });

  it("wait-address.sh says so when the balancer gives no address", () => {
    kubectl(["get events", "echo 'SyncLoadBalancerFailed: no pool'"]);
    assert.equal(
      script("wait-address.sh", ["audit-edge", 5, "kubectl"], { SETTING: "the choice", DEADLINE: "the time" }).stderr,
      "SyncLoadBalancerFailed: no pool\nthe cluster's balancer has given audit-edge no address within 5 s. Is there one in this cluster? Without one, set the choice to nodePort; if it takes longer, raise the time.\n",
    );
  });
});
