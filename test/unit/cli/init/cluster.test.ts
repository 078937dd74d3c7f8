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
import { parseValues, type Values } from "../../../../config";
import { audit } from "../support";
import { answersFile, inOrder, onCluster, project } from "./world";

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
    assert.match(out, /cluster's administrator, .*: kubectl apply --server-side --filename setup\/cluster\/kubernetes\.yaml\n +Then, for deploy and for drift: sh bootstrap\/kubeconfig\.sh deploy audit > /); // prettier-ignore
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

  it("keeps the repository's comments, without what they said of examples", async () => {
    await run({}, "other");
    assert.match(text("Pulumi.other.yaml"), /^ +audit:databaseRanges:\n +# where that is;.*\n +- 10\.0\.0\.7\/32\n/m);
    assert.match(text("Pulumi.other.yaml"), /pulumi stack init other /);
    assert.doesNotMatch(text("Pulumi.other.yaml"), /\bSET\b|example\.com|must be set/);
  });

  it("makes the manifest one of the namespace and the stack", async () => {
    await run({ kubeNamespace: "logs" }, "other");
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
    const unknown = await run({ databaseHost: "unknown.example.test" });
    assert.match(unknown.err, /^ {2}- databaseRanges: an answer is needed$/m);
  });
});
