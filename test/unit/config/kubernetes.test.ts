import assert from "node:assert/strict";
import { parseSettings, type ClusterSettings } from "../../../config";
import { digest, good, onCluster, problems } from "../support/settings";

const wrong = (changes: Record<string, string | undefined>) => problems({ ...onCluster, ...changes });

function read(changes: Record<string, string> = {}): ClusterSettings {
  const values = Object.entries({ ...good, ...onCluster, ...changes }).filter(([, value]) => value !== undefined);
  const settings = parseSettings(Object.fromEntries(values) as Record<string, string>);
  assert.ok(settings.platform === "kubernetes");
  return settings;
}

describe("the configuration of a cluster", () => {
  it("is right as it stands, and a VM's needs none of it", () => {
    assert.deepEqual(wrong({}), []);
    assert.deepEqual(problems({ "audit:platform": "vm" }), []);
  });

  const refused: [what: string, changes: Record<string, string | undefined>, message: string][] = [
    [
      "no context",
      { "audit:kubeContext": undefined },
      "audit:kubeContext is missing; set the context of your cluster, as `kubectl config get-contexts` lists it",
    ],
    [
      "a VM beside it",
      { "audit:hostAddress": "ssh://deploy@vm2.example.test" },
      "audit:hostAddress is for audit:platform vm; remove it, or set audit:platform to vm",
    ],
    [
      "networks of a VM",
      { "audit:networkPrefix": "10.20.4.0/22" },
      "audit:networkPrefix is for audit:platform vm; remove it, or set audit:platform to vm",
    ],
    [
      "a database whose addresses nobody knows",
      { "audit:databaseRanges": undefined },
      "audit:databaseRanges is missing; network policies know addresses alone, so set the ranges in which db.example.test is",
    ],
    [
      "a Vault whose addresses nobody knows",
      { "audit:vaultRanges": undefined, "audit:vaultAgentAddress": "https://vault.internal:8200" },
      "audit:vaultRanges is missing; network policies know addresses alone, so set the ranges in which vault.internal is",
    ],
    [
      "targets in files",
      { "audit:prometheusDiscovery": "file" },
      "audit:prometheusDiscovery must be http or podMonitor with audit:platform kubernetes: pods come and go between deploys, so Prometheus asks for them",
    ],
    [
      "a Prometheus in the cluster that reaches POST /reload",
      {
        "audit:prometheusDiscovery": "podMonitor",
        "audit:podMonitorNamespace": "monitoring",
        "audit:reloadOn": "main",
      },
      "audit:prometheusDiscovery must be http with audit:reloadOn main: a Prometheus in the cluster reaches the service's port, which then takes POST /reload from it",
    ],
    [
      "a Prometheus in the cluster whose place nobody knows",
      { "audit:prometheusDiscovery": "podMonitor" },
      "audit:podMonitorNamespace is missing; set it, or set audit:prometheusDiscovery to http instead of podMonitor",
    ],
    [
      "a Prometheus in two namespaces",
      { "audit:podMonitorNamespace": "one,two" },
      "audit:podMonitorNamespace must be the namespace in which Prometheus runs, such as monitoring",
    ],
    [
      "labels that are none",
      { "audit:podMonitorLabels": "release=prometheus" },
      'audit:podMonitorLabels must be labels, such as {"release": "prometheus"}',
    ],
    [
      "labels that Kubernetes would not take",
      { "audit:podMonitorLabels": '{"release":"a b"}' },
      'audit:podMonitorLabels must be labels, such as {"release": "prometheus"}',
    ],
    [
      "an autoscaler with less than there is",
      { "audit:replicas": "4", "audit:replicasMax": "3" },
      "audit:replicasMax must be 0, or at least audit:replicas (4)",
    ],
    [
      "a port that no node offers",
      { "audit:edgeService": "nodePort", "audit:edgeMetricsPort": "30145" },
      "audit:edgePort must be a port that nodes offer, usually 30000 to 32767, with audit:edgeService nodePort, not 80",
    ],
    [
      "a namespace of the cluster's own",
      { "audit:kubeNamespace": "kube-system" },
      "audit:kubeNamespace must be a namespace of the stack's own",
    ],
    [
      "a context that kubectl would take for an option",
      { "audit:kubeContext": "--token=x" },
      "audit:kubeContext must be the name of a context in KUBECONFIG",
    ],
    [
      "no time for a balancer's address",
      { "audit:edgeAddressSeconds": "0" },
      "audit:edgeAddressSeconds must be from 5 to 3600",
    ],
    [
      "annotations that are none",
      { "audit:edgeAnnotations": '["x"]' },
      'audit:edgeAnnotations must be annotations, such as {"example.com/internal": "true"}',
    ],
    ...[
      '{"a b": "x"}',
      '{"": "x"}',
      '{"-a": "x"}',
      '{"example.com/": "x"}',
      '{"a/b/c": "x"}',
      '{"a..b/c": "x"}',
      '{"Example.com/c": "x"}',
      `{"${"a".repeat(64)}": "x"}`,
      `{"${"a.".repeat(127)}/c": "x"}`,
    ].map((annotations): (typeof refused)[number] => [
      `annotations that Kubernetes would not take: ${annotations.slice(0, 30)}`,
      { "audit:edgeAnnotations": annotations },
      'audit:edgeAnnotations must be annotations, such as {"example.com/internal": "true"}',
    ]),
    ...["pulumi.com/patchForce", "audit/stack", "app.kubernetes.io/name"].flatMap((name) =>
      ["edgeAnnotations", "podMonitorLabels"].map((key): (typeof refused)[number] => [
        `${name} in ${key}, which is the program's`,
        { [`audit:${key}`]: JSON.stringify({ [name]: "x" }) },
        `audit:${key} must not have names that begin with audit/ or pulumi.com/, nor app.kubernetes.io/name or app.kubernetes.io/part-of: they are the program's own`,
      ]),
    ),
  ];
  for (const [what, changes, message] of refused) {
    it(`refuses ${what}`, () => assert.deepEqual(wrong(changes), [message]));
  }

  it("refuses a cluster's settings on a VM, but not their defaults, which the CLI hands over as if they were set", () => {
    assert.deepEqual(problems({ "audit:kubeContext": "production", "audit:replicasMax": "4" }), [
      "audit:kubeContext is for audit:platform kubernetes; remove it, or set audit:platform to kubernetes",
      "audit:replicasMax is for audit:platform kubernetes; remove it, or set audit:platform to kubernetes",
    ]);
    assert.deepEqual(
      problems({ "audit:kubeNamespace": "audit", "audit:edgeAnnotations": "{}", "audit:kubeContext": "" }),
      [],
    );
    assert.deepEqual(
      wrong({ "audit:networkPrefix": "172.29", "audit:hostCidr": "", "audit:hostSshOptions": "[]" }),
      [],
    );
  });

  it("comes in the shape of the components' arguments", () => {
    const settings = read({
      "audit:edgeService": "nodePort",
      "audit:edgePort": "30080",
      "audit:edgeMetricsPort": "30145",
    });
    assert.deepEqual(settings.cluster, {
      context: "production",
      namespace: "audit",
      tools: `harbor.example.test:8443/hub/vault@${digest}`,
      registry: undefined,
      policyCheck: "require",
      podMonitors: undefined,
    });
    assert.deepEqual(settings.reach, {
      database: { ranges: ["10.0.0.40/32"], port: 5432 },
      vault: { ranges: ["10.0.0.50/32"], port: 8200 },
    });
    assert.deepEqual(settings.login, { kubernetes: { mount: "kubernetes", audience: "vault" } });
    assert.deepEqual(settings.onCluster, { cpuRequest: 250, autoscale: undefined });
    assert.deepEqual(read({ "audit:replicasMax": "6" }).onCluster.autoscale, { max: 6, cpu: 70 });
    assert.deepEqual(settings.front, {
      replicas: 2,
      exposure: "nodePort",
      addressDeadline: 300,
      annotations: {},
      clients: [],
      metricsAddress: "vm2.example.test:9145",
      environment: "vm2",
    });
    assert.deepEqual(settings.edge.listen, { port: 30080, tlsPort: 443, metricsPort: 30145 });
  });

  it("tells of a Prometheus inside the cluster, which a VM has none of", () => {
    const inside = { "audit:prometheusDiscovery": "podMonitor", "audit:podMonitorNamespace": "monitoring" };
    const { cluster, monitoring } = read({ ...inside, "audit:podMonitorLabels": '{"release":"prometheus"}' });
    assert.deepEqual(cluster.podMonitors, {
      ...{ namespace: "monitoring", labels: { release: "prometheus" } },
      ...{ metricsAddress: "vm2.example.test:9145", environment: "vm2" },
    });
    assert.equal(monitoring.prometheus.targets.by, "podMonitor");
    assert.deepEqual(problems(inside), [
      "audit:prometheusDiscovery must be file or http with audit:platform vm: a VM has no pods",
    ]);
  });

  it("takes a server's own address for its range, and a scheme's port for Vault's", () => {
    const { reach } = read({
      ...{ "audit:databaseHost": "2001:db8::5", "audit:databaseRanges": "[]" },
      ...{ "audit:vaultAgentAddress": "https://10.0.0.9", "audit:vaultRanges": "[]" },
    });
    assert.deepEqual(reach.database.ranges, ["2001:db8::5/128"]);
    assert.deepEqual(reach.vault, { ranges: ["10.0.0.9/32"], port: 443 });
  });

  it("tells bootstrap and Vault of the pods' login", () => {
    const { stack, bootstrap } = read({ "audit:vaultPath": "audit-svc/cluster" }).vault.rights;
    assert.deepEqual(stack.kubernetes, { mount: "kubernetes", audience: "vault", namespace: "audit" });
    assert.deepEqual(bootstrap, {
      vaultPath: "audit-svc/cluster",
      ...{ platform: "kubernetes", kubeNamespace: "audit", vaultKubernetesMount: "kubernetes", vaultAudience: "vault" },
    });
  });
});
