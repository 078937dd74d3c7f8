import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, it } from "mocha";
import { parse, parseAllDocuments } from "yaml";
import { fakeProgram } from "../support/fake-programs";
import { clusterManifest } from "../../../bootstrap/kubernetes";
import { deploy, everything, kindsOf, withKubectl } from "../support/cluster-program";
import { find, type Registered } from "../support/program";

const root = join(__dirname, "../../..");
const FILE = join(root, "bootstrap/kubernetes.yaml");
const SCRIPTS = join(root, "components/kubernetes/scripts");

interface Rule {
  apiGroups: string[];
  resources: string[];
  resourceNames?: string[];
  verbs: string[];
}
interface Manifest {
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  rules?: Rule[];
  subjects?: { kind: string; name: string; namespace?: string }[];
  roleRef?: { kind: string; name: string };
  spec?: {
    matchConstraints?: { resourceRules: { resources: string[] }[] };
    validations?: { message: string }[];
  };
}

const read = (text: string): Manifest[] => parseAllDocuments(text).map((document) => document.toJS() as Manifest);
const manifests = read(readFileSync(FILE, "utf8"));
const rulesOf = (kind: string, name: string): Rule[] => {
  const found = manifests.filter((each) => each.kind === kind && each.metadata.name === name);
  assert.equal(found.length, 1, `${kind} ${name}`);
  return found[0]?.rules ?? [];
};
const allowed = (rules: readonly Rule[], group: string, resource: string): string[] =>
  rules
    .filter(({ apiGroups, resources }) => apiGroups.includes(group) && resources.includes(resource))
    .flatMap(({ verbs }) => verbs);
const lacks = (rules: readonly Rule[], group: string, resource: string, verbs: readonly string[]): string[] =>
  verbs.filter((verb) => !allowed(rules, group, resource).includes(verb)).map((verb) => `${verb} ${resource}.${group}`);

/** What Pulumi's plugin does with an object: server-side apply, a watch while it deletes, and reading. */
const MANAGED = ["get", "list", "watch", "create", "patch", "delete"];

/** The rights that each command of kubectl in scripts/ needs, by its first two words. */
const OF_KUBECTL: Readonly<Record<string, readonly (readonly [group: string, resource: string, ...verbs: string[]])[]>> = {
  attach: [["", "pods/attach", "create", "get"], ["", "pods", "get", "list"], ["batch", "jobs", "get"]],
  "create --filename": [["batch", "jobs", "create"], ["", "pods", "create"]],
  "delete job": [["batch", "jobs", "get", "list", "watch", "delete"]],
  "delete pod": [["", "pods", "get", "list", "watch", "delete"]],
  exec: [["", "pods/exec", "create", "get"], ["", "pods", "get"]],
  "get deployment": [["apps", "deployments", "get"]],
  "get events": [["", "events", "list"]],
  "get job": [["batch", "jobs", "get"]],
  "get pod": [["", "pods", "get"]],
  "get pods": [["", "pods", "list"]],
  "get service": [["", "services", "get"]],
  logs: [["", "pods/log", "get"], ["", "pods", "get", "list"]],
  "rollout status": [["apps", "deployments", "get", "list", "watch"]],
}; // prettier-ignore

describe("what an administrator of a cluster applies", () => {
  const { hasPodMonitors } = withKubectl();
  let resources: Registered[];
  let kinds: ReturnType<typeof kindsOf>;
  before(async () => {
    hasPodMonitors();
    ({ resources } = await deploy(undefined, everything));
    kinds = kindsOf(resources);
  });

  it("lets a deploy make, change and remove each kind that the program makes", () => {
    const role = rulesOf("Role", "deploy");
    assert.ok(kinds.length >= 9, kinds.map(({ resource }) => resource).join());
    assert.deepEqual(kinds.flatMap(({ group, resource }) => lacks(role, group, resource, MANAGED)), []); // prettier-ignore
  });

  it("lets a deploy's scripts do what they do by kubectl", () => {
    const role = rulesOf("Role", "deploy");
    const used = readdirSync(SCRIPTS)
      .filter((file) => file.endsWith(".sh"))
      .flatMap((file) => [...readFileSync(join(SCRIPTS, file), "utf8").matchAll(/"\$@" ([a-z]+) ("?[\w$/-]+)/g)])
      .map(([, verb = "", word = ""]) => (["attach", "exec", "logs"].includes(verb) ? verb : `${verb} ${word.replace(/^"\$pod$/, "pod")}`)); // prettier-ignore
    assert.ok(used.length > 15, `${used.length}`);
    for (const command of new Set(used)) {
      const needed = OF_KUBECTL[command];
      assert.ok(needed, `scripts run kubectl ${command}, and this test does not know which rights that needs`);
      assert.deepEqual(needed.flatMap(([group, resource, ...verbs]) => lacks(role, group, resource, verbs)), [], command); // prettier-ignore
    }
  });

  it("gives a deploy no right that nothing needs, and none to give rights", () => {
    const needed = new Set([
      ...kinds.map(({ group, resource }) => `${resource}.${group}`),
      ...Object.values(OF_KUBECTL).flatMap((rights) => rights.map(([group, resource]) => `${resource}.${group}`)),
    ]);
    const given = rulesOf("Role", "deploy").flatMap(({ apiGroups, resources }) =>
      apiGroups.flatMap((group) => resources.map((resource) => `${resource}.${group}`)),
    );
    assert.deepEqual(given.sort(), [...needed].sort());
    assert.deepEqual(rulesOf("ClusterRole", "audit-deploy"), [
      { apiGroups: [""], resources: ["namespaces"], resourceNames: ["audit"], verbs: ["get", "patch"] },
    ]);
  });

  it("lets drift read each kind that the program makes, but for Secrets, and nothing else", () => {
    const role = rulesOf("Role", "drift");
    const read = kinds.filter(({ resource }) => resource !== "secrets");
    assert.deepEqual(read.flatMap(({ group, resource }) => lacks(role, group, resource, ["get", "list", "watch"])), []); // prettier-ignore
    assert.deepEqual([...new Set(role.flatMap(({ resources }) => resources))].sort(), read.map(({ resource }) => resource).sort()); // prettier-ignore
    for (const { verbs } of role) assert.deepEqual(verbs, ["get", "list", "watch"]);
    assert.deepEqual(rulesOf("ClusterRole", "audit-drift"), [
      { apiGroups: [""], resources: ["namespaces"], resourceNames: ["audit"], verbs: ["get"] },
    ]);
  });

  it("binds each right to the account of its name, and Vault's to that of Vault", () => {
    const bindings = manifests
      .filter(({ roleRef }) => roleRef !== undefined)
      .map(({ kind, metadata, roleRef, subjects = [] }) => [
        ...[kind, metadata.namespace, `${roleRef?.kind} ${roleRef?.name}`],
        ...subjects.map(({ kind, name, namespace }) => `${kind} ${namespace}/${name}`),
      ]);
    assert.deepEqual(bindings, [
      ["RoleBinding", "audit", "Role deploy", "ServiceAccount audit/deploy"],
      ["ClusterRoleBinding", undefined, "ClusterRole audit-deploy", "ServiceAccount audit/deploy"],
      ["RoleBinding", "audit", "Role drift", "ServiceAccount audit/drift"],
      ["ClusterRoleBinding", undefined, "ClusterRole audit-drift", "ServiceAccount audit/drift"],
      ["ClusterRoleBinding", undefined, "ClusterRole system:auth-delegator", "ServiceAccount kube-system/vault-reviewer"], // prettier-ignore
    ]);
  });

  it("makes the namespace with labels that the first deploy finds as it wants them", () => {
    const [namespace] = manifests;
    assert.equal(namespace?.kind, "Namespace");
    const made = find(resources, "Namespace", "cluster-namespace").inputs.metadata as Manifest["metadata"];
    // All of them: its account may change none. Mocks name the stack otherwise.
    assert.deepEqual(namespace.metadata, { ...made, labels: { ...made.labels, "audit/stack": "cluster" } });
  });

  it("is made for another namespace and stack by the line at its head", () => {
    const text = readFileSync(FILE, "utf8");
    const [, expression = ""] = /^# +sed '([^']+)'/m.exec(text) ?? [];
    const other = execFileSync("sed", [expression, FILE], { encoding: "utf8" });
    const renamed = (namespace: string, stack: string) =>
      JSON.parse(
        JSON.stringify(read(text))
          .replaceAll(/"audit(?=["-])/g, `"${namespace}`)
          .replaceAll(":audit:", `:${namespace}:`)
          .replace(`part-of":"${namespace}"`, 'part-of":"audit"')
          .replace('"audit/stack":"cluster"', `"audit/stack":"${stack}"`),
      ) as Manifest[];
    assert.deepEqual(read(other), renamed("logs", "other"));
    const made = clusterManifest("logs", "other");
    assert.deepEqual(read(made), read(other));
    assert.doesNotMatch(made, /sed|another namespace/);
    assert.deepEqual(made.match(/.*\baudit\b.*/g), ["    app.kubernetes.io/part-of: audit", '    audit/stack: "other"', "  # With audit:prometheusDiscovery podMonitor."]); // prettier-ignore
    // A namespace with the name of the stack that is replaced, and names that YAML would take for something else than text.
    for (const [namespace, stack] of [
      ["cluster", "other"],
      ["123", "123"],
      ["1e3", "true"],
      ["true", "null"],
    ] as const)
      // prettier-ignore
      assert.deepEqual(read(clusterManifest(namespace, stack)), renamed(namespace, stack));
  });

  it("binds each admission policy to this namespace alone", () => {
    const admission = manifests.filter(({ kind }) => kind.startsWith("ValidatingAdmission"));
    const [podSecurity, ofNamespace, confined, inNamespace] = admission.map(({ metadata, spec }) => ({ name: metadata.name, ...spec })); // prettier-ignore
    assert.equal(admission.length, 4);
    assert.deepEqual(podSecurity?.matchConstraints?.resourceRules[0], {
      ...{ apiGroups: [""], apiVersions: ["v1"], operations: ["UPDATE"] },
      ...{ resources: ["namespaces", "namespaces/*"], resourceNames: ["audit"] },
    });
    assert.deepEqual(ofNamespace, {
      name: "audit-pod-security",
      ...{ policyName: podSecurity.name, validationActions: ["Deny"] },
    });
    assert.deepEqual(confined?.matchConstraints?.resourceRules[0]?.resources, ["pods", "secrets", "services"]);
    assert.deepEqual(inNamespace, {
      name: "audit-confined",
      ...{ policyName: confined.name, validationActions: ["Deny"] },
      matchResources: { namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "audit" } } },
    });
    // That of the pod's level comes first: the API server tells of one alone.
    assert.match(podSecurity.validations?.[0]?.message ?? "", /keeps the Pod Security level restricted/);
  });
});

describe("the kubeconfig of an account", () => {
  let dir: string;
  before(() => {
    dir = mkdtempSync(join(tmpdir(), "kubeconfig-"));
  });
  after(() => rmSync(dir, { recursive: true }));
  const cluster = { server: "https://cluster.example.com:6443", "certificate-authority-data": "UEVN" };
  /** @param token shell that prints it, or nothing */
  const run = (token: string, ...args: string[]) => runIn("production", token, ...args);
  const runIn = (context: string, token: string, ...args: string[]) => {
    fakeProgram(dir, "sleep", "");
    fakeProgram(
      dir,
      "kubectl",
      `case "$*" in
  "config current-context") printf '%s\\n' '${context}' ;;
  "config view --minify --flatten --output jsonpath={.clusters[0].cluster}") echo '${JSON.stringify(cluster)}' ;;
  "get secret "*) echo "$*" >> ${dir}/asked; ${token} ;;
  *) echo "unexpected: $*" >&2; exit 1 ;;
esac`,
    );
    writeFileSync(join(dir, "asked"), "");
    const env = { PATH: [dir, process.env.PATH ?? ""].join(delimiter) };
    const { status, stdout, stderr } = spawnSync("sh", [join(root, "bootstrap/kubeconfig.sh"), ...args], { encoding: "utf8", env }); // prettier-ignore
    return { status, stdout, stderr, asked: readFileSync(join(dir, "asked"), "utf8") };
  };

  it("has the administrator's cluster and context, and the account's token", () => {
    const { status, stdout, stderr, asked } = run("printf token-of-deploy", "deploy", "logs");
    assert.equal(status, 0, stderr);
    assert.match(asked, /^get secret deploy --namespace logs --output /);
    assert.deepEqual(parse(stdout), {
      ...{ apiVersion: "v1", kind: "Config", "current-context": "production" },
      clusters: [{ name: "production", cluster }],
      users: [{ name: "deploy", user: { token: "token-of-deploy" } }],
      contexts: [{ name: "production", context: { cluster: "production", user: "deploy", namespace: "logs" } }],
    });
  });

  it("has names that YAML would take for something else", () => {
    for (const name of ["Rancher: prod", "1234", "yes", "a #b", 'a"b\\c', "arn:aws:eks:eu-1:1:cluster/a"]) {
      const { status, stdout, stderr } = runIn(name, "printf t", "deploy", "123");
      assert.equal(status, 0, stderr);
      const made = parse(stdout) as { "current-context": string; contexts: object[]; clusters: { name: string }[] };
      assert.equal(made["current-context"], name);
      assert.equal(made.clusters[0]?.name, name);
      assert.deepEqual(made.contexts, [{ name, context: { cluster: name, user: "deploy", namespace: "123" } }]);
    }
  });

  it("waits for the token, and says when there is none", () => {
    const late = run(`[ "$(wc -l < ${dir}/asked)" -lt 3 ] || printf late`, "drift");
    assert.equal(late.status, 0, late.stderr);
    assert.match(late.stdout, /token: late/);
    const never = run(":", "drift");
    assert.deepEqual([never.status, never.stdout], [1, ""]);
    assert.match(never.stderr, /^error: the Secret drift in audit has no token;/);
    const missing = run('echo "Error from server (NotFound)" >&2; exit 1', "drift");
    assert.deepEqual([missing.status, missing.stdout], [1, ""]);
    assert.match(
      missing.stderr,
      /NotFound\)\nerror: the Secret drift in the namespace audit is not given\. .*kubeconfig\.sh drift NAMESPACE\./,
    );
    assert.equal(run(":").status, 2);
  });
});
