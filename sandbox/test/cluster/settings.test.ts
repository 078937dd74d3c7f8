import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { platformHosts } from "../../src/cluster/layout.js";
import { kindConfig } from "../../src/cluster/others.js";
import { clusterSettings } from "../../src/cluster/stack.js";
import { readSettings } from "../../src/settings.js";
import { clusterStack, stackForVault } from "../../src/stack-file.js";
import { State } from "../../src/state.js";

describe("the stack `cluster` in the sandbox", () => {
  const settings = readSettings({ SANDBOX_PORT_BASE: "28000", SANDBOX_SUBNET: "10.9.8" });
  const images = { service: "s", nginx: "n", exporter: "e", vault: "v", prometheusTools: "p" };
  const access = { nodes: ["node1.sandbox.test", "node2.sandbox.test"], edge: "http://127.0.0.1:28081" };

  it("knows the cluster and the platform, and nothing of VM2", () => {
    const values = clusterSettings(access, settings, "unix:///x", images, "/state/ca.pem");
    const wanted = {
      "audit:platform": "kubernetes",
      "audit:kubeContext": "audit-sandbox",
      "audit:databaseName": "audit_cluster",
      "audit:databaseRanges": ["10.9.8.10/32"],
      "audit:vaultRanges": ["10.9.8.11/32"],
      "audit:edgeReplicas": 2,
      "audit:edgePort": 30080,
      "audit:serviceUrl": "http://127.0.0.1:28081",
      "audit:metricsAddress": "node1.sandbox.test:30145",
      "audit:image": "s",
    };
    for (const [key, value] of Object.entries(wanted)) assert.deepEqual(values[key], value, key);
    for (const key of ["hostAddress", "hostCidr", "prometheusTargets"]) assert.ok(!(`audit:${key}` in values), key);
  });

  it("tells Vault what it is set up for", () => {
    const root = mkdtempSync(join(tmpdir(), "stack-"));
    try {
      const set = { ...settings, root, stateDir: join(root, ".sandbox") };
      assert.deepEqual(stackForVault(set, new State(set), clusterStack), {
        platform: "kubernetes",
        vaultPath: "audit-svc/cluster",
        databaseHost: "postgres.sandbox.test",
        databaseName: "audit_cluster",
        log: "vault",
      });
    } finally {
      rmSync(root, { recursive: true });
    }
  });

  it("has by kind the same ports, and pods on the control plane's node too", () => {
    const { networking, nodes } = parse(kindConfig(settings)) as {
      networking: { apiServerPort: number };
      nodes: { role: string; extraPortMappings: object[]; kubeadmConfigPatches?: string[] }[];
    };
    assert.equal(networking.apiServerPort, 28064);
    assert.deepEqual(nodes.map(({ role }) => role), ["control-plane", "worker", "worker"]); // prettier-ignore
    assert.deepEqual(nodes[2]?.extraPortMappings, [
      { containerPort: 30080, hostPort: 28083, listenAddress: "127.0.0.1" },
      { containerPort: 30443, hostPort: 28046, listenAddress: "127.0.0.1" },
    ]);
    assert.match(nodes[0]?.kubeadmConfigPatches?.[0] ?? "", /taints: \[\]/);
  });

  it("has the platform's names in its DNS", () => {
    const lines = platformHosts(settings).trim().split("\n");
    assert.ok(lines.includes("10.9.8.10 postgres.sandbox.test"));
    assert.ok(lines.includes("10.9.8.33 node3.sandbox.test"));
  });
});
