import assert from "node:assert/strict";
import { attached } from "./support/cluster";
import { namesOf, Releases } from "./support/releases";

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
      .flatMap(({ spec: { containers, initContainers = [] } }) => [...containers, ...initContainers])
      .reduce((sum, { resources }) => sum + Number.parseInt(resources.requests.cpu), 0);
  };

  it("refuses a cluster that kubectl does not reach", () =>
    releases.fails({ kubeContext: "nowhere" }, [/audit:kubeContext nowhere cannot be reached: .*Nothing was changed/]));

  it("refuses a Vault that has no auth method for the cluster", () =>
    releases.fails({ vaultKubernetesMount: "nowhere" }, [
      /Vault does not have the policies and roles that this stack's agents need; nothing was changed/,
      /"vaultKubernetesMount":"nowhere"/,
    ]));

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
  spec: Record<"containers" | "initContainers", { resources: { requests: { cpu: string } } }[]>;
}
