import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { clusterScripts } from "../../support/cluster-scripts";

describe("the scripts of a deploy to a cluster, by kubectl", () => {
  const { at, script, kubectl, asked } = clusterScripts();

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
        ...{ SETTING: "the check", LOGIN: "the user" },
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

    it("names the login where the pod's image cannot be pulled, also where that is only a warning", () => {
      kubectl(["get pod open", "echo 'Pending  ImagePullBackOff: 401 Unauthorized'"]);
      const settings = { OPEN_POD: "{open}", CLOSED_POD: "{closed}", CHECK: "warn", SETTING: "-", LOGIN: "the user" };
      const { status, stderr } = script("check-policies.sh", ["open", "closed", "kubectl"], settings);
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "the image of the pod open, by which the cluster is tried, cannot be pulled:  ImagePullBackOff: 401 Unauthorized. Is it there, and may the login of the user read it? With a wrong login no node could take a pod whose image it does not have.\n",
      );
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
