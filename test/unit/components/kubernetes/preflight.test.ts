import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { checkCluster } from "../../../../components/kubernetes/preflight";
import { fakeProgram } from "../../support/fake-programs";
import { messagesNameKeys } from "../../support/keys";

const LEVEL = "pod-security.kubernetes.io/enforce";

describe("the look at a cluster before anything is changed", () => {
  messagesNameKeys();

  const directory = mkdtempSync(join(tmpdir(), "preflight-"));
  const path = process.env.PATH;
  const during = (preview: boolean) =>
    pulumi.runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) }, "audit", "test", preview);
  const version = (minor: string) => `[ "$4" = namespace ] || echo '{"serverVersion":{"gitVersion":"v1.${minor}"}}'`;
  const cluster = { context: "production", namespace: "audit" };
  const check = () => checkCluster(cluster);
  const namespaceIs = (metadata: object) =>
    fakeProgram(
      directory,
      "kubectl",
      `case "$*" in *"get namespace audit "*) echo '${JSON.stringify({ metadata })}' ;; *) ${version("34")} ;; esac`,
    );
  const { warn } = pulumi.log;
  let warnings: string[];

  before(() => {
    // kubectl alone is looked for.
    process.env.PATH = directory;
  });
  beforeEach(() => {
    warnings = [];
    Object.assign(pulumi.log, { warn: (line: string) => void warnings.push(line) });
  });
  afterEach(() => Object.assign(pulumi.log, { warn }));
  after(async () => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
    await during(false);
  });

  it("is content with a cluster that is new enough, and refuses another, also in a preview", async () => {
    for (const preview of [false, true]) {
      await during(preview);
      fakeProgram(directory, "kubectl", version("30+"));
      await check();
      fakeProgram(directory, "kubectl", version("29"));
      await assert.rejects(check(), {
        message:
          "The cluster of audit:kubeContext production is Kubernetes v1.29; 1.30 or newer is needed, which has native sidecars and a pause before a container's end. Upgrade the cluster. Nothing was changed.",
      });
    }
  });

  it("refuses a namespace that is another's, which the engine would take over and destroy would delete", async () => {
    await during(false);
    const ownedBy = (labels: object) => namespaceIs({ labels });
    ownedBy({ "audit/stack": "test", [LEVEL]: "restricted" });
    await check();
    ownedBy({ "audit/stack": "other" });
    await assert.rejects(check(), {
      message:
        "The namespace audit (audit:kubeNamespace) is there already, and is that of the stack other. Choose another; or, if it is meant for this stack, which also deletes it when it is destroyed, an administrator of the cluster runs kubectl --context production label namespace audit audit/stack=test pod-security.kubernetes.io/enforce=restricted --overwrite. Nothing was changed.",
    });
    ownedBy({});
    await assert.rejects(check(), /is there already, and no stack of this program has made it\. /);
  });

  it("refuses a namespace that is being deleted, or has lost its level of Pod Security", async () => {
    await during(false);
    const labels = { "audit/stack": "test" };
    namespaceIs({ labels: { ...labels, [LEVEL]: "restricted" }, deletionTimestamp: "2026-12-01T00:00:00Z" });
    await assert.rejects(check(), {
      message:
        "The namespace audit (audit:kubeNamespace) is being deleted. Wait until it is gone; its status says what keeps it: kubectl --context production get namespace audit --output yaml. Then deploy again. Nothing was changed.",
    });
    for (const level of [{}, { [LEVEL]: "privileged" }]) {
      namespaceIs({ labels: { ...labels, ...level } });
      await assert.rejects(check(), {
        message:
          "The namespace audit (audit:kubeNamespace) does not have the label pod-security.kubernetes.io/enforce=restricted, so a pod there could take over its node. An administrator of the cluster finds out who has removed it, and runs kubectl --context production label namespace audit audit/stack=test pod-security.kubernetes.io/enforce=restricted --overwrite. Nothing was changed.",
      });
    }
  });

  it("refuses a stack whose name no label can have", async () => {
    fakeProgram(directory, "kubectl", version("34"));
    const named = (stack: string) => pulumi.runtime.setMocks({ newResource: () => ({ id: "", state: {} }), call: () => ({}) }, "audit", stack, false); // prettier-ignore
    for (const stack of ["a", "a.b_c-1", "123", "a".repeat(63)]) {
      await named(stack);
      await check();
    }
    for (const stack of ["a.", "_x", "-", "a".repeat(64)]) {
      await named(stack);
      await assert.rejects(check(), {
        message: `The stack's name ${stack} cannot be the namespace's label audit/stack: that takes at most 63 letters, digits, "-", "_" and ".", and begins and ends with a letter or a digit. Give it another: pulumi stack rename. Nothing was changed.`,
      });
    }
  });

  it("refuses another namespace than the last deploy's, and a cluster that has not got that one", async () => {
    fakeProgram(directory, "kubectl", version("34"));
    for (const preview of [false, true]) {
      await during(preview);
      await assert.rejects(checkCluster({ ...cluster, formerNamespace: "log" }), {
        message:
          "audit:kubeNamespace was log at the last deploy, and is audit now. What is deployed does not move to another namespace, and both cannot have the same ports: set it back to log, or make another stack. Nothing was changed.",
      });
      await assert.rejects(checkCluster({ ...cluster, formerNamespace: "audit" }), {
        message:
          "The namespace audit, which the last deploy left, is not in the cluster of audit:kubeContext production. If that is another cluster, set the context back: a stack stays in its cluster. If the namespace was lost, make it again and have the engine forget what was in it: kubectl --context production create namespace audit && kubectl --context production label namespace audit audit/stack=test pod-security.kubernetes.io/enforce=restricted --overwrite && pulumi refresh. Then deploy. Nothing was changed.",
      });
    }
    await check();
  });

  it("refuses a cluster without PodMonitors where they are wanted, and asks for them nowhere else", async () => {
    const kubectl = (answer: string) =>
      fakeProgram(
        directory,
        "kubectl",
        `case "$*" in *"get --raw /apis/monitoring.coreos.com/v1 "*) ${answer} ;; *) ${version("34")} ;; esac`,
      );
    const podMonitors = { namespace: "monitoring", metricsAddress: "a:1", environment: "cluster" };
    const wanted = () => checkCluster({ ...cluster, podMonitors });
    kubectl(`echo '{"kind":"APIResourceList","resources":[{"name":"podmonitors","kind":"PodMonitor"}]}'`);
    await wanted();
    for (const missing of [
      'echo "Error from server (NotFound): the server could not find the requested resource" >&2; exit 1',
      `echo '{"kind":"APIResourceList","resources":[{"name":"probes","kind":"Probe"}]}'`,
    ]) {
      kubectl(missing);
      for (const preview of [false, true]) {
        await during(preview);
        await assert.rejects(wanted(), {
          message:
            "The cluster of audit:kubeContext production has no PodMonitors (monitoring.coreos.com/v1), which audit:prometheusDiscovery podMonitor needs. Install the CustomResourceDefinitions of Prometheus' operator, or set audit:prometheusDiscovery to http. Nothing was changed.",
        });
        await check();
      }
    }
    kubectl("echo 'Error from server (Forbidden): no' >&2; exit 1");
    await assert.rejects(wanted(), {
      message:
        "The login of audit:kubeContext production may not do what a deploy does: Error from server (Forbidden): no. An administrator of the cluster applies bootstrap/kubernetes.yaml for this stack's namespace. Nothing was changed.",
    });
    kubectl("echo 'error: refused' >&2; exit 1");
    await assert.rejects(wanted(), { message: /^The cluster of .* cannot be reached: error: refused .*Nothing was changed\.$/ }); // prettier-ignore
  });

  it("stops a deploy without kubectl, or without a login; a preview says so and goes on", async () => {
    for (const [program, reason] of [
      [
        'echo noise >&2; echo "error: context \\"production\\" does not exist" >&2; exit 1',
        'The cluster of audit:kubeContext production cannot be reached: error: context "production" does not exist (KUBECONFIG names the file with the context).',
      ],
      [undefined, "kubectl is not installed on this machine; install it in a version that fits the cluster's."],
    ] as const) {
      rmSync(join(directory, "kubectl"), { force: true });
      if (program !== undefined) fakeProgram(directory, "kubectl", program);
      await during(false);
      await assert.rejects(check(), { message: `${reason} Nothing was changed.` });
      await during(true);
      await check();
      assert.deepEqual(warnings.splice(0), [`The cluster was not checked: ${reason}`]);
    }
  });
});
