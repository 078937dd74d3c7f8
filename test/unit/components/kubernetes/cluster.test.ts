import assert from "node:assert/strict";
import { find, ofType, run, scriptOf, Secret } from "../../support/program";
import { manifest, newCluster } from "../../support/cluster-world";

describe("Cluster", () => {
  it("makes a namespace in which no pod may be privileged", async () => {
    const { resources } = await run(() => newCluster());
    const { metadata } = manifest(resources, "Namespace", "cluster-namespace");
    assert.equal(metadata.name, "log");
    assert.equal(metadata.labels?.["pod-security.kubernetes.io/enforce"], "restricted");
  });

  it("closes it both ways: nothing is let through but DNS, and the trial's open pod", async () => {
    const { resources } = await run(() => newCluster());
    const policies = ofType(resources, "NetworkPolicy").map(({ name }) => [
      name,
      manifest(resources, "NetworkPolicy", name).spec,
    ]);
    assert.deepEqual(Object.fromEntries(policies), {
      "cluster-closed": { podSelector: {}, policyTypes: ["Ingress", "Egress"] },
      "cluster-dns": {
        podSelector: {},
        policyTypes: ["Egress"],
        egress: [
          {
            to: [
              {
                namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "kube-system" } },
                podSelector: { matchLabels: { "k8s-app": "kube-dns" } },
              },
              { ipBlock: { cidr: "169.254.20.10/32" } },
            ],
            ports: [
              { protocol: "UDP", port: 53 },
              { protocol: "TCP", port: 53 },
            ],
          },
        ],
      },
      "cluster-trial": {
        podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-trial-open" } },
        policyTypes: ["Egress"],
        egress: [{}],
      },
    });
  });

  it("reaches the cluster by the context that it is given, and has no kubeconfig in its state", async () => {
    const former = process.env.KUBECONFIG;
    process.env.KUBECONFIG = "/home/somebody/kubeconfig";
    const { result, resources } = await run(() => newCluster()).finally(() => {
      if (former === undefined) delete process.env.KUBECONFIG;
      else process.env.KUBECONFIG = former;
    });
    assert.deepEqual(find(resources, "kubernetes", "cluster").inputs, {
      ...{ kubeconfig: "", context: "production", namespace: "log" },
    });
    assert.deepEqual(result.kubectl, ["kubectl", "--context", "production", "--namespace", "log"]);
  });

  it("makes a pull secret of the login, secret, and none without one", async () => {
    const registry = { server: "registry.example.test", username: "robot", password: "harbor-password" };
    const { result, resources } = await run(
      () => newCluster({ registry }),
      ({ type }) => (type.endsWith(":Secret") ? { metadata: { resourceVersion: "41" } } : undefined),
    );
    const { type, stringData } = find(resources, "Secret", "cluster-pull").inputs;
    assert.equal(type, "kubernetes.io/dockerconfigjson");
    const auth = Buffer.from("robot:harbor-password").toString("base64");
    // The SDK marks all of it.
    assert.deepEqual(
      stringData,
      new Secret({ ".dockerconfigjson": JSON.stringify({ auths: { "registry.example.test": { auth } } }) }),
    );
    assert.deepEqual(result.pullSecrets, [{ name: "cluster-pull" }]);
    // Tried once it is there, and again when it has changed.
    const trial = find(resources, "Command", "cluster-policies-enforced");
    assert.ok(trial.dependsOn.includes(find(resources, "Secret", "cluster-pull").urn));
    assert.deepEqual(trial.inputs.triggers, ["41"]);
    assert.equal(scriptOf(trial.inputs).match(/"imagePullPolicy":"Always"/g)?.length, 2);
    const without = await run(() => newCluster());
    assert.deepEqual(without.result.pullSecrets, []);
    assert.deepEqual(ofType(without.resources, "Secret"), []);
  });

  it("tries the policies before it lets any pod be made, with two pods that differ in nothing but their names", async () => {
    const { result, resources } = await run(() => newCluster({ policyCheck: "warn" }));
    const trial = find(resources, "Command", "cluster-policies-enforced");
    const policies = ofType(resources, "NetworkPolicy").map(({ urn }) => urn);
    for (const urn of policies) assert.ok(trial.dependsOn.includes(urn), urn);
    const script = scriptOf(trial.inputs);
    assert.match(
      script,
      / CHECK=warn .* audit-trial-open audit-trial-closed kubectl --context production --namespace log$/s,
    );
    const [, ...pods] =
      /'OPEN_POD=(\{.*?\})' 'CLOSED_POD=(\{.*?\})' CHECK/s.exec(script.replaceAll("'\\''", "'")) ?? [];
    assert.match(pods[0] ?? "", /^\{"apiVersion":"v1","kind":"Pod","metadata":\{"name":"audit-trial-open"/);
    const [open, closed] = pods.map((pod) =>
      pod
        .replaceAll("audit-trial-open", "NAME")
        .replaceAll("audit-trial-closed", "NAME")
        .replace(/"(open|closed)"\]/, '"KIND"]'),
    );
    assert.equal(open, closed);
    assert.equal(result.closed.length, 1 + policies.length + 1);
  });
});
