import assert from "node:assert/strict";
import { attached } from "./support/cluster";
import { isReady, namesOf, Releases } from "./support/releases";

const QUOTA = "too-small";
/** What a trial of the network is named in the program, and the pod that must reach nothing. */
const TRIAL = { step: "cluster-policies-enforced", closed: "audit-trial-closed" };

/** Each ends with one message that says what is wrong; the pods that serve stay, and serve. */
describe("scenario: what a cluster lacks", () => {
  const cluster = attached();
  let releases: Releases;
  let pods: string[];
  before(async () => {
    releases = new Releases(cluster());
    pods = namesOf(await cluster().pods("audit-svc"));
  });
  afterEach(async () => {
    await cluster().kubectl("delete", "resourcequota,networkpolicy", "-n", "audit", "--ignore-not-found", QUOTA);
    for (const pod of pods) await cluster().kubectl("wait", "-n", "audit", "--for=condition=Ready", `pod/${pod}`);
    await releases.stillServes();
  });
  after(async () => {
    if (!releases.restored) await releases.mustUp();
    assert.deepEqual(namesOf(await cluster().pods("audit-svc")), pods);
    releases.close();
  });

  const metadata = { name: QUOTA, namespace: "audit" };
  const limit = (hard: Record<string, string>) =>
    cluster().apply({ apiVersion: "v1", kind: "ResourceQuota", metadata, spec: { hard } });
  /** What the namespace's pods have reserved of the processors, in thousandths of a core. */
  const reserved = async (): Promise<number> => {
    const { items } = await cluster().json<{ items: Reserving[] }>("get", "pods", "-n", "audit");
    return items
      .flatMap(({ spec: { containers, initContainers = [] } }) => [...containers, ...initContainers.filter(isSidecar)])
      .reduce((sum, { resources }) => sum + Number.parseInt(resources.requests.cpu), 0);
  };

  it("refuses a cluster that kubectl does not reach", () =>
    releases.fails({ kubeContext: "nowhere" }, [/audit:kubeContext nowhere cannot be reached: .*Nothing was changed/]));

  it("refuses a Vault that has no auth method for the cluster", () =>
    releases.fails({ vaultKubernetesMount: "nowhere" }, [
      /Vault does not have the policies and roles that this stack's agents need; nothing was changed/,
      /"vaultKubernetesMount":"nowhere"/,
    ]));

  const podMonitor = { prometheusDiscovery: "podMonitor", podMonitorNamespace: "monitoring" };

  it("refuses a cluster without Prometheus' operator where its PodMonitors are wanted", () =>
    releases.fails(podMonitor, [
      /The cluster of audit:kubeContext \S+ has no PodMonitors .*set audit:prometheusDiscovery to http\. Nothing was changed/,
    ]));

  it("makes PodMonitors where there is that operator's kind, by ports that the pods have, and takes them away again", async () => {
    await cluster().apply(POD_MONITORS);
    try {
      await cluster().kubectl("wait", "--for=condition=Established", `crd/${POD_MONITORS.metadata.name}`);
      const change = { ...podMonitor, podMonitorLabels: { release: "prometheus" } };
      await releases.mustUp(change);
      const { items } = await cluster().json<{ items: Monitor[] }>("get", "podmonitors", "-n", "audit");
      assert.deepEqual(
        items.map(({ metadata: { name, labels }, spec }) => [
          ...[name, labels.release],
          ...spec.podMetricsEndpoints.map(({ port, path, relabelings }) => `${port} ${path} ${relabelings[0]?.action}`),
        ]),
        [
          ["audit-edge", "prometheus", "exporter /metrics replace"],
          ["audit-svc", "prometheus", "http /metrics replace", "agent /agent/v1/metrics replace"],
        ],
      );
      for (const { metadata, spec } of items) {
        const ports = (await cluster().json<{ items: Named[] }>(...podsOf(metadata.name))).items.map(portsOf);
        assert.ok(ports.length > 1, metadata.name);
        for (const named of ports)
          for (const { port } of spec.podMetricsEndpoints) assert.ok(named.includes(port), `${metadata.name}: ${port}`);
      }
      const again = await releases.up(change, ["--expect-no-changes"]);
      assert.equal(again.code, 0, again.output);
      await releases.mustUp();
      assert.equal(await cluster().kubectl("get", "podmonitors", "-n", "audit", "--output", "name"), "");
    } finally {
      if (!releases.restored) await releases.up();
      await cluster().kubectl("delete", "crd", POD_MONITORS.metadata.name);
    }
  });

  it("says so when the namespace's quota has no room for the migration", async () => {
    await limit({ "requests.cpu": `${await reserved()}m` });
    const memory = releases.original.memory + 8;
    await releases.fails({ memory }, [/the cluster refuses the migration's pod: .*exceeded quota: too-small/]);
  });

  it("says so when the quota has no room for one pod more", async () => {
    // Enough for the migration's.
    await limit({ "requests.cpu": `${(await reserved()) + 60}m` });
    const change = { memory: releases.original.memory + 8, readySeconds: 15 };
    await releases.fails(change, [
      /audit-svc is not replaced: the cluster refuses its pods: .*exceeded quota: too-small/,
    ]);
    // Before there is room again, or the cluster would go on with it.
    await releases.mustUp();
  });

  it("fails for address ranges without the database, and pods that serve still reach it", async () => {
    const host = (await cluster().mustPulumi("config", "get", "audit:databaseHost")).trim();
    const reaches = `require("net").connect(5432, "${host}", () => process.exit()).setTimeout(3000, () => process.exit(1))`;
    const connects = async () => {
      for (const { metadata } of (await cluster().pods("audit-svc")).filter(isReady))
        await cluster().kubectl("exec", "-n", "audit", metadata.name, "-c", "service", "--", "node", "-e", reaches);
    };
    await connects();
    await releases.fails({ databaseRanges: ["192.0.2.0/24"], readySeconds: 15 }, [/audit-svc is not replaced: /]);
    await connects();
    await releases.stillServes();
    await releases.mustUp();
    await connects();
  });

  it("waits for a balancer's address no longer than it may, loses no request, and goes back to ports of the nodes", async () => {
    // The Service keeps the nodes' ports while it asks for a balancer, so clients come in as before, to the same pods.
    const before = namesOf(await cluster().pods("audit-edge"));
    await releases.losesNothing(100, async () => {
      await releases.fails({ edgeService: "loadBalancer", edgeAddressSeconds: 10 }, [
        /the cluster's balancer has given audit-edge no address within 10 s\. .* set audit:edgeService to nodePort; if it takes longer, raise audit:edgeAddressSeconds\./,
      ]);
      await releases.mustUp();
    });
    const { spec } = await cluster().json<{ spec: { type: string } }>("get", "service", "-n", "audit", "audit-edge");
    assert.equal(spec.type, "NodePort");
    assert.deepEqual(namesOf(await cluster().pods("audit-edge")), before);
  });

  it("tries a new login for images, which nodes that have the images would not ask for, and again once it is right", async () => {
    const { code, output } = await releases.up({}, [], { AUDIT_REGISTRY_PASSWORD: "wrong" });
    assert.notEqual(code, 0, output);
    assert.match(
      output,
      /the image of the pod audit-trial-open, .* cannot be pulled: .*audit:registryUsername read it\?/,
    );
    const again = await releases.up({}, [], { AUDIT_REGISTRY_PASSWORD: "wrong" });
    assert.notEqual(again.code, 0, again.output);
    await releases.mustUp();
  });

  it("refuses a network that lets a pod out although no policy of the program does", async () => {
    const labels = { "app.kubernetes.io/name": TRIAL.closed };
    await cluster().apply({
      ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata },
      spec: { podSelector: { matchLabels: labels }, policyTypes: ["Egress"], egress: [{}] },
    });
    const state = await cluster().mustPulumi("stack", "export");
    const urn = new RegExp(`"urn": "(urn:[^"]*::${TRIAL.step})"`).exec(state)?.[1] ?? "";
    const { code, output } = await releases.up({}, ["--replace", urn]);
    assert.notEqual(code, 0, output);
    assert.match(output, /this cluster's network does not enforce NetworkPolicies: .*audit:policyCheck to warn/);
    await cluster().kubectl("delete", "networkpolicy", "-n", "audit", QUOTA);
    await releases.mustUp();
  });
});

interface Reserving {
  spec: Record<"containers" | "initContainers", { restartPolicy?: string; resources: { requests: { cpu: string } } }[]>;
}
/** One that ends reserves nothing beside the containers that come after it. */
const isSidecar = ({ restartPolicy }: { restartPolicy?: string }) => restartPolicy === "Always";

const text = { type: "string" };
const texts = { type: "array", items: text };
const object = (properties: object, required: string[] = []) => ({ type: "object", properties, required });
/** What Prometheus' operator adds to a cluster, as far as it is used, with the default that it fills in. */
const POD_MONITORS = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "podmonitors.monitoring.coreos.com" },
  spec: {
    group: "monitoring.coreos.com",
    scope: "Namespaced",
    names: { kind: "PodMonitor", listKind: "PodMonitorList", plural: "podmonitors", singular: "podmonitor" },
    versions: [
      {
        ...{ name: "v1", served: true, storage: true },
        schema: {
          openAPIV3Schema: object({
            spec: object(
              {
                selector: object({ matchLabels: { type: "object", additionalProperties: text } }),
                podMetricsEndpoints: {
                  type: "array",
                  items: object({
                    ...{ port: text, path: text, interval: text },
                    params: { type: "object", additionalProperties: texts },
                    relabelings: {
                      type: "array",
                      items: object({
                        ...{ sourceLabels: texts, targetLabel: text, replacement: text },
                        action: { type: "string", default: "replace" },
                      }),
                    },
                  }),
                },
              },
              ["selector", "podMetricsEndpoints"],
            ),
          }),
        },
      },
    ],
  },
};

interface Monitor {
  metadata: { name: string; labels: Record<string, string> };
  spec: { podMetricsEndpoints: { port: string; path: string; relabelings: { action: string }[] }[] };
}

/** A pod, as far as its ports have names. */
interface Named {
  spec: Record<"containers" | "initContainers", { ports?: { name: string }[] }[]>;
}
const podsOf = (name: string) => ["get", "pods", "-n", "audit", "--selector", `app.kubernetes.io/name=${name}`];
const portsOf = ({ spec: { containers, initContainers = [] } }: Named): string[] =>
  [...containers, ...initContainers].flatMap(({ ports = [] }) => ports.map(({ name }) => name));
