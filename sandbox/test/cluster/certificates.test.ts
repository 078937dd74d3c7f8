import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { kubeconfig, pkiFiles } from "../../src/cluster/certificates.js";
import { nodeNames, type NodeName } from "../../src/cluster/layout.js";
import { readSettings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("the cluster's certificates", () => {
  const SERVER = "1.3.6.1.5.5.7.3.1";
  const CLIENT = "1.3.6.1.5.5.7.3.2";
  let root: string;
  let state: State;
  const settings = () => ({
    ...readSettings({ SANDBOX_PORT_BASE: "28000", SANDBOX_SUBNET: "10.9.8" }),
    stateDir: join(root, ".sandbox"),
  });
  before(() => {
    root = mkdtempSync(join(tmpdir(), "pki-"));
    state = new State(settings());
  });
  after(() => rmSync(root, { recursive: true }));

  async function filesOf(node: NodeName): Promise<Map<string, string>> {
    const files = await pkiFiles(settings(), state, node);
    return new Map(files.map(({ path, content }) => [basename(path), String(content)]));
  }
  const certificate = (files: Map<string, string>, name: string): X509Certificate =>
    new X509Certificate(files.get(`${name}.pem`) ?? "");

  it("are on a worker those of its kubelet and of what writes its rules, and no authority's key", async () => {
    assert.deepEqual([...(await filesOf("node2")).keys()].sort(), [
      ...["ca.pem", "kube-proxy.key", "kube-proxy.pem", "kube-router.key", "kube-router.pem"],
      ...["kubelet-server.key", "kubelet-server.pem", "kubelet.key", "kubelet.pem"],
    ]);
    for (const node of nodeNames) {
      const names = [...(await filesOf(node)).keys()];
      assert.ok(!names.includes("ca.key") && !names.includes("etcd-ca.key"));
    }
  });

  it("name each holder as Kubernetes knows it, for its use alone", async () => {
    const files = await filesOf("node1");
    const told = (name: string): [string, string[] | undefined] => {
      const { subject, keyUsage } = certificate(files, name);
      return [subject.replace("\n", " "), keyUsage];
    };
    assert.deepEqual(told("kubelet"), ["O=system:nodes CN=system:node:node1", [CLIENT]]);
    assert.deepEqual(told("kube-proxy"), ["CN=system:kube-proxy", [CLIENT]]);
    assert.deepEqual(told("kube-router"), ["CN=kube-router", [CLIENT]]);
    assert.deepEqual(told("scheduler"), ["CN=system:kube-scheduler", [CLIENT]]);
    assert.deepEqual(told("controller-manager"), ["CN=system:kube-controller-manager", [CLIENT]]);
    assert.deepEqual(told("apiserver-kubelet"), ["CN=kube-apiserver-kubelet-client", [CLIENT]]);
    assert.deepEqual(told("apiserver"), ["CN=kube-apiserver", [SERVER]]);
    for (const [name, content] of files) {
      if (name.endsWith(".pem")) assert.ok(!new X509Certificate(content).subject.includes("system:masters"), name);
    }
  });

  it("open etcd by an authority of its own", async () => {
    const files = await filesOf("node1");
    const etcd = certificate(files, "etcd-ca");
    assert.ok(certificate(files, "apiserver-etcd").verify(etcd.publicKey));
    assert.ok(!certificate(files, "kubelet").verify(etcd.publicKey));
  });

  it("let the API be reached by pods, by Vault and by this machine", async () => {
    const api = certificate(await filesOf("node1"), "apiserver");
    for (const name of ["kubernetes.default.svc", "node1.sandbox.test"]) assert.ok(api.checkHost(name), name);
    for (const address of ["10.96.0.1", "10.9.8.31", "127.0.0.1"]) assert.ok(api.checkIP(address), address);
  });

  it("stay as they are from one run to the next", async () => {
    assert.deepEqual(await filesOf("node3"), await filesOf("node3"));
    assert.notEqual((await filesOf("node2")).get("kubelet.key"), (await filesOf("node3")).get("kubelet.key"));
  });

  it("make a kubeconfig for this machine", async () => {
    const config = parse(await kubeconfig(settings(), state)) as {
      clusters: { cluster: { server: string } }[];
      "current-context": string;
    };
    assert.equal(config.clusters[0]?.cluster.server, "https://127.0.0.1:28064");
    assert.equal(config["current-context"], "audit-sandbox");
  });

  it("have Kubernetes' secrets written encrypted, by a key that stays", async () => {
    const first = (await filesOf("node1")).get("encryption.yaml") ?? "";
    const [{ providers }] = (parse(first) as { resources: [{ providers: object[] }] }).resources;
    assert.deepEqual(Object.keys(providers[0] ?? {}), ["secretbox"]);
    assert.equal((await filesOf("node1")).get("encryption.yaml"), first);
  });
});
