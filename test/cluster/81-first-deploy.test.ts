import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { program } from "../e2e/support/audit-command";
import { destroy } from "../e2e/support/destroy";
import { run, sandbox as cli, type Ran } from "../e2e/support/sandbox";
import { Accounts } from "./support/accounts";
import { attached, Cluster } from "./support/cluster";
import { Releases } from "./support/releases";

/**
 * A cluster without the stack, what bootstrap/kubernetes.yaml makes there, and a first deploy with its account. The
 * stack is destroyed before, by an administrator, and its events with it.
 */
describe("scenario: a first deploy to a cluster, not as its administrator", function () {
  this.timeout(900_000);
  const cluster = attached();
  let directory: string;
  let accounts: Accounts | undefined;
  before(async () => {
    directory = mkdtempSync(join(tmpdir(), "first-deploy-"));
    await destroy(cluster(), "audit_cluster");
    accounts = await Accounts.make(cluster());
    for (const [account, text] of Object.entries(accounts.kubeconfig)) writeFileSync(join(directory, account), text);
  });
  after(async () => {
    await accounts?.remove();
    rmSync(directory, { recursive: true });
    // As a developer has it, if a test has failed before.
    const { code, output } = await cli(["cluster"]);
    assert.equal(code, 0, output);
  });

  const as = (account: "deploy" | "drift"): NodeJS.ProcessEnv => ({ KUBECONFIG: join(directory, account) });
  const kubectl = (account: "deploy" | "drift", ...args: string[]): Promise<Ran> =>
    run(["kubectl", ...args], { ...cluster().env, ...as(account) });

  it("is what the doctor finds the account ready for, and that of drift not", async () => {
    const look = async (account: "deploy" | "drift") => {
      const { stdout, output } = await run([...program, "doctor", "--only", "cluster", "--json"], { ...cluster().env, ...as(account) }); // prettier-ignore
      assert.match(stdout, /^\{/, output);
      const { checks } = JSON.parse(stdout) as { checks: { id: string; level: string; found: string }[] };
      return new Map(checks.map(({ id, level, found }) => [id, `${level}: ${found}`]));
    };
    const deploy = await look("deploy");
    for (const id of ["context", "api", "version", "namespace", "rights"])
      assert.match(deploy.get(`cluster-${id}`) ?? "", /^ok: /, id);
    const drift = await look("drift");
    assert.match(drift.get("cluster-namespace") ?? "", /^ok: /);
    assert.match(
      drift.get("cluster-rights") ?? "",
      /^failure: the login may not create configmaps, .*patch namespaces/,
    );
  });

  it("takes over the namespace that is there, and serves", async () => {
    const { code, output } = await cluster().pulumi(["up", "--yes"], as("deploy"));
    assert.equal(code, 0, output);
    // Its tokens are others than those of the stack before.
    const releases = new Releases(await Cluster.attach());
    await releases.stillServes();
    releases.close();
    const again = await cluster().pulumi(["up", "--yes", "--refresh", "--expect-no-changes"], as("deploy"));
    assert.equal(again.code, 0, again.output);
  });

  it("does not let the pipeline's account out of its namespace, nor give up Pod Security there", async () => {
    for (const [what, ...args] of [
      ["another namespace", "get", "pods", "--namespace", "kube-system"],
      ["all namespaces", "get", "namespaces"],
      ["nodes", "get", "nodes"],
      ["the namespace's end", "delete", "namespace", "audit"],
      ["rights", "create", "rolebinding", "mallory", "--namespace", "audit", "--clusterrole=admin", "--user=mallory"],
      ["tokens of others", "create", "token", "drift", "--namespace", "audit"],
    ] as const) {
      const { code, output } = await kubectl("deploy", ...args);
      assert.notEqual(code, 0, `${what}: ${output}`);
      assert.match(output, /forbidden/i, what);
    }
    const level = "pod-security.kubernetes.io/enforce";
    for (const change of [`${level}=privileged`, `${level}-`]) {
      const { code, output } = await kubectl("deploy", "label", "namespace", "audit", change, "--overwrite");
      assert.notEqual(code, 0, output);
      assert.match(output, /this namespace keeps the Pod Security level restricted/);
    }
  });

  it("does not let it change what others know the namespace by, take others' traffic, or keep a login", async () => {
    for (const word of ["label", "annotate"]) {
      const { code, output } = await kubectl("deploy", word, "namespace", "audit", "team=another");
      assert.notEqual(code, 0, output);
      assert.match(output, ONLY_AN_ADMINISTRATOR);
    }
    // The garbage collector would delete the namespace, whose owner is gone.
    const owner = { apiVersion: "v1", kind: "Namespace", name: "gone", uid: "00000000-0000-0000-0000-000000000000" };
    for (const metadata of [{ ownerReferences: [owner] }, { finalizers: ["mallory.example/stays"] }]) {
      const patch = ["--type", "merge", "--patch", JSON.stringify({ metadata })];
      const { code, output } = await kubectl("deploy", "patch", "namespace", "audit", ...patch);
      assert.notEqual(code, 0, output);
      assert.match(output, ONLY_AN_ADMINISTRATOR);
    }
    const metadata = { name: "mallory", namespace: "audit" };
    const container = { name: "mallory", image: "mallory", securityContext: CONFINED };
    for (const [object, message] of [
      [
        { kind: "Service", spec: { externalIPs: ["192.0.2.1"], ports: [{ port: 80 }] } },
        /Services of this namespace have no externalIPs/,
      ],
      [
        {
          ...{ kind: "Secret", type: "kubernetes.io/service-account-token" },
          metadata: { ...metadata, annotations: { "kubernetes.io/service-account.name": "deploy" } },
        },
        /only an administrator makes tokens that do not end/,
      ],
      [
        { kind: "Pod", spec: { serviceAccountName: "deploy", containers: [container] } },
        /no pod has the accounts deploy and drift/,
      ],
      [
        { kind: "Pod", spec: { priorityClassName: "system-node-critical", containers: [container] } },
        /no pod of this namespace takes the place of the cluster's own/,
      ],
    ] as const) {
      const text = JSON.stringify({ apiVersion: "v1", metadata, ...object });
      const env = { ...cluster().env, ...as("deploy") };
      const { code, output } = await run(["kubectl", "create", "--dry-run=server", "--filename", "-"], env, text);
      assert.notEqual(code, 0, output);
      assert.match(output, message);
    }
  });

  it("has rules for what the account makes that the cluster finds nothing amiss in", async () => {
    const warnings = "jsonpath={.items[*].status.typeChecking.expressionWarnings}";
    assert.equal(await cluster().kubectl("get", "validatingadmissionpolicies", "--output", warnings), "");
  });

  it("lets the account of drift read what is there but for Secrets, and change nothing", async () => {
    const { code, output } = await kubectl("drift", "get", "deployment", "audit-svc", "--namespace", "audit");
    assert.equal(code, 0, output);
    for (const args of [
      ["get", "secrets"],
      ["exec", "deployment/audit-svc", "--container", "service", "--", "true"],
      ["scale", "deployment/audit-svc", "--replicas", "0"],
      ["delete", "service", "audit-edge"],
    ]) {
      const { code, output } = await kubectl("drift", "--namespace", "audit", ...args);
      assert.notEqual(code, 0, output);
      assert.match(output, /forbidden/i, args.join(" "));
    }
  });
});

const ONLY_AN_ADMINISTRATOR = /only an administrator changes labels, annotations, owners and finalizers/;

/** As the level `restricted` wants it. */
const CONFINED = {
  ...{ runAsNonRoot: true, runAsUser: 65534, allowPrivilegeEscalation: false },
  ...{ capabilities: { drop: ["ALL"] }, seccompProfile: { type: "RuntimeDefault" } },
};
