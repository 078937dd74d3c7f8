import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { parseVaultSettings } from "../../../../bootstrap/settings";
import type { AnyCommand } from "../../../../cli/command";
import { init } from "../../../../cli/commands/init";
import { runInit } from "../../../../cli/init/init";
import type { Probes } from "../../../../cli/init/probes";
import { settingsInText } from "../../../../cli/project";
import type { Values } from "../../../../config";
import { parseValues } from "../../../../config/parse";
import { audit } from "../support";
import { answersFile, inOrder, onCluster, project, root } from "./world";

describe("audit init, of a stack on a cluster", () => {
  let directory = "";
  beforeEach(() => (directory = project("Pulumi.cluster.yaml")));
  afterEach(() => rmSync(directory, { recursive: true }));
  const text = (file: string) => readFileSync(join(directory, file), "utf8");
  const run = (changes: Record<string, unknown> = {}, stack = "cluster", probes: Probes = inOrder) => {
    const command: AnyCommand = {
      ...init,
      run: (args, context) =>
        runInit({ stack: args.stack, answers: args.answers as string, write: true }, context, probes),
    };
    const file = answersFile(directory, { ...onCluster, ...changes });
    return audit(["init", "--answers", file, "--stack", stack], { cwd: directory, commands: [command] });
  };
  const values = (stack = "cluster"): Values =>
    parseValues({ ...settingsInText(text(`Pulumi.${stack}.yaml`)).texts, "audit:registryPassword": "x" });

  it("writes what the administrators of a cluster, Vault, PostgreSQL and Prometheus need, and nothing of a VM", async () => {
    const { code, out } = await run();
    assert.equal(code, 0, out);
    assert.deepEqual(readdirSync(join(directory, "setup/cluster")).sort(), ["database.sql", "kubernetes.yaml", "prometheus.yml", "vault.json"]); // prettier-ignore
    assert.match(out, /cluster's administrator, .*: kubectl apply --server-side --filename setup\/cluster\/kubernetes\.yaml\n/); // prettier-ignore
    assert.doesNotMatch(out, /\bVM\b|vm\.sh/);
    const found = values();
    assert.deepEqual(
      [found.platform, found.kubeContext, found.databaseRanges, found.vaultRanges, found.vaultPath],
      ["kubernetes", "production", ["10.0.0.7/32"], ["10.0.0.7/32"], "audit-svc/cluster"],
    );
    assert.deepEqual([found.metricsAddress, found.prometheusDiscovery, found.edgeService], ["audit.example.test:9145", "http", "loadBalancer"]); // prettier-ignore
    const vault = parseVaultSettings(JSON.parse(text("setup/cluster/vault.json")), "vault.json");
    assert.deepEqual([vault.stack.platform, vault.stack.vaultPath, vault.ssh?.role], ["kubernetes", "audit-svc/cluster", "vm2"]); // prettier-ignore
    assert.deepEqual(parse(text("setup/cluster/prometheus.yml")), {
      rule_files: ["/etc/prometheus/rules/*.yml"],
      scrape_configs: [
        {
          job_name: "audit-cluster",
          http_sd_configs: [{ url: "http://audit.example.test:9145/targets", refresh_interval: "10s" }],
        },
      ],
    });
  });

  it("takes the example of docs/audit.md", async () => {
    const examples = readFileSync(join(root, "docs/audit.md"), "utf8").matchAll(/^```yaml\n([^]*?)^```$/gm);
    const [, [, example = ""] = []] = [...examples];
    rmSync(join(directory, "Pulumi.cluster.yaml"));
    const none = Object.fromEntries(Object.keys(onCluster).map((key) => [key, undefined]));
    const { code, out, err } = await run({ ...none, ...(parse(example) as object) });
    assert.equal(code, 0, out + err);
    const { databaseName, databaseRanges, vaultRanges, edgeTrustedProxies, prometheusDiscovery } = values();
    assert.deepEqual(
      { databaseName, databaseRanges, vaultRanges, edgeTrustedProxies, prometheusDiscovery },
      {
        ...{ databaseName: "audit_cluster", databaseRanges: ["10.0.0.40/32"], edgeTrustedProxies: ["10.0.0.5"] },
        ...{ vaultRanges: ["10.0.0.50/32", "10.0.0.51/32"], prometheusDiscovery: "podMonitor" },
      },
    );
  });

  it("keeps the repository's comments, without what they said of examples", async () => {
    await run({}, "other");
    assert.match(
      text("Pulumi.other.yaml"),
      /^ +audit:databaseRanges:\n +# PostgreSQL's addresses;.*\n +- 10\.0\.0\.7\/32\n/m,
    );
    assert.match(text("Pulumi.other.yaml"), /^# Settings of the stack "other", [^]*pulumi stack init other /);
    assert.doesNotMatch(text("Pulumi.other.yaml"), /\bSET\b|example\.com|must be set/);
  });

  it("makes the manifest and the lines for administrators those of the namespace and the stack", async () => {
    const { out } = await run({ kubeNamespace: "logs", vaultKubernetesMount: "k8s/east" }, "other");
    for (const account of ["deploy", "drift"])
      assert.ok(out.includes(`\n    (umask 077; sh bootstrap/kubeconfig.sh ${account} logs > ${account}.kubeconfig || rm ${account}.kubeconfig)\n`), out); // prettier-ignore
    assert.match(out, /^ {4}\(umask 077; kubectl get secret vault-reviewer .* > reviewer\.jwt\)\n {4}kubectl get secret vault-reviewer .* > cluster-ca\.pem$/m); // prettier-ignore
    assert.match(out, /^ {4}vault write auth\/k8s\/east\/config kubernetes_host=https:\/\/… .*; shred -u reviewer\.jwt$/m); // prettier-ignore
    assert.ok(out.indexOf("kubernetes.yaml: written") < out.indexOf("vault.json: written"));
    const [namespace] = parseAllDocuments(text("setup/other/kubernetes.yaml")).map((document) => document.toJS() as { metadata: { name: string; labels: Record<string, string> } }); // prettier-ignore
    assert.deepEqual([namespace?.metadata.name, namespace?.metadata.labels["audit/stack"]], ["logs", "other"]);
  });

  it("asks for the nodes' ports where they are the way in", async () => {
    const { out, err } = await run({ edgeService: "nodePort", tls: "vault", tlsPkiRole: "audit", edgePort: 30090 });
    assert.match(out, /written/, err);
    const { edgePort, edgeTlsPort, edgeMetricsPort, metricsAddress } = values();
    assert.deepEqual([edgePort, edgeTlsPort, edgeMetricsPort, metricsAddress], [30090, 30443, 30145, "audit.example.test:30145"]); // prettier-ignore
  });

  it("has Vault sign no login where nobody logs in to a host", async () => {
    await run({ prometheus: "nowhere" });
    assert.equal((JSON.parse(text("setup/cluster/vault.json")) as { ssh: unknown }).ssh, null);
    assert.deepEqual([values().alerts, values().prometheusHost], ["grafana", undefined]);
  });

  it("writes settings that only a comment showed in its place, and others beside those of their group", async () => {
    await run({ edgeService: "nodePort", tls: "vault", tlsPkiRole: "audit", prometheus: "nowhere" });
    const lines = text("Pulumi.cluster.yaml").split("\n");
    const after = (key: string) => lines[lines.findIndex((line) => line.startsWith(`  audit:${key}:`)) + 1];
    assert.equal(after("databaseHost"), "  audit:databasePort: 5432");
    assert.equal(after("edgePort"), "  audit:edgeTlsPort: 30443");
    assert.equal(after("tls"), "  audit:tlsPkiRole: audit");
    assert.match(text("Pulumi.cluster.yaml"), /^ {2}audit:alerts: grafana # by Grafana instead of Prometheus;/m);
    assert.doesNotMatch(text("Pulumi.cluster.yaml"), /# audit:(alerts|edgeTlsPort)/);
  });

  it("asks for a database and, where a balancer ends TLS, for the balancer", async () => {
    await run({ databaseName: "audit_cluster", edgeTrustedProxies: ["10.0.0.5", "10.1.0.0/16"] });
    assert.deepEqual([values().databaseName, values().edgeTrustedProxies], ["audit_cluster", ["10.0.0.5", "10.1.0.0/16"]]); // prettier-ignore
    assert.match(
      text("Pulumi.cluster.yaml"),
      /^ {2}audit:edgeTrustedProxies:\n {4}# balancers .*\n {4}- 10\.0\.0\.5\n {4}- 10\.1/m,
    );
    await run({ edgeTrustedProxies: "-" });
    assert.deepEqual([values().databaseName, values().edgeTrustedProxies], ["audit_cluster", []]);
  });

  it("leaves the scraping to Prometheus' operator where it is in the cluster", async () => {
    const { code, out, err } = await run({ prometheus: "operator" });
    assert.equal(code, 0, out + err);
    const { prometheusDiscovery, podMonitorNamespace, podMonitorLabels, edgeMetricsAllow, alerts, prometheusHost } = values(); // prettier-ignore
    assert.deepEqual(
      { prometheusDiscovery, podMonitorNamespace, podMonitorLabels, edgeMetricsAllow, alerts, prometheusHost },
      {
        ...{ prometheusDiscovery: "podMonitor", podMonitorNamespace: "monitoring", alerts: "grafana" },
        ...{ podMonitorLabels: { release: "kube-prometheus-stack" }, edgeMetricsAllow: [], prometheusHost: undefined },
      },
    );
    assert.ok(!readdirSync(join(directory, "setup/cluster")).includes("prometheus.yml"));
    // As words, as a map, and taken from the file.
    await run({ prometheus: "operator", podMonitorLabels: "release = x, team=y" });
    assert.deepEqual(values().podMonitorLabels, { release: "x", team: "y" });
    await run({ prometheus: "operator", podMonitorLabels: { release: "z" } });
    await run();
    assert.deepEqual([values().podMonitorLabels, values().prometheusDiscovery], [{ release: "z" }, "podMonitor"]);
    await run({ prometheus: "nowhere", edgeMetricsAllow: "10.0.0.9" });
    assert.deepEqual([values().podMonitorLabels, values().podMonitorNamespace, values().prometheusDiscovery], [{}, undefined, "http"]); // prettier-ignore
    const { err: refused } = await run({ prometheus: "operator", podMonitorLabels: "release" });
    assert.match(refused, /- podMonitorLabels: must be labels, such as/);
  });

  it("takes an address for the range that has it alone", async () => {
    await run({ databaseRanges: "10.0.0.8", vaultRanges: ["fd00::1", "10.2.0.0/24"] });
    assert.deepEqual([values().databaseRanges, values().vaultRanges], [["10.0.0.8/32"], ["fd00::1/128", "10.2.0.0/24"]]); // prettier-ignore
  });

  it("doubts a context that the kubeconfig lacks, and a kubeconfig that it cannot read", async () => {
    assert.match((await run({ kubeContext: "elsewhere" })).out, /kubeContext: the kubeconfig has production\n/);
    const contexts = () => Promise.reject(new Error("kubectl does not show the contexts of the kubeconfig"));
    assert.match((await run({}, "cluster", { ...inOrder, contexts })).out, /kubeContext: kubectl does not show/);
  });

  it("says only which answers are missing, and takes no example of the repository's for one", async () => {
    const none = Object.fromEntries(Object.keys(onCluster).map((key) => [key, undefined]));
    const { err } = await run({ ...none, platform: "kubernetes" });
    const missing = [...err.matchAll(/^ {2}- (\S+): an answer is needed$/gm)].map(([, key]) => key);
    assert.deepEqual(missing, ["kubeContext", "image", "databaseHost", "vaultAddress", "serviceUrl", "prometheusUrl", "grafanaUrl", "gitlab.url", "gitlab.project", "gitlab.projectId"]); // prettier-ignore
    const host = "unknown.example.test";
    const unknown = await run({ databaseHost: host, vaultAddress: `https://${host}`, prometheusUrl: `http://${host}` });
    assert.deepEqual(
      unknown.err.split("\n").filter((line) => line.startsWith("  - ")),
      [
        "  - databaseRanges: an answer is needed: DNS does not know unknown.example.test; give PostgreSQL's address range",
        "  - vaultRanges: an answer is needed: DNS does not know unknown.example.test; give Vault's address range",
        "  - edgeMetricsAllow: an answer is needed: DNS does not know unknown.example.test; give the addresses of Prometheus",
      ],
    );
  });
});
