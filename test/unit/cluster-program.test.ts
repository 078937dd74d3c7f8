import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import type * as pulumi from "@pulumi/pulumi";
import type { ReleaseState } from "../../lib/release-state";
import { deploy, settings, withKubectl } from "./support/cluster-program";
import { find, ofType, Secret, valueOf } from "./support/program";

describe("the program for a cluster", () => {
  const { says, clusterIs, hasPodMonitors } = withKubectl();

  it("has the outputs that pipelines and people rely on, in the shape of a VM's", async () => {
    const { result } = await deploy();
    assert.deepEqual(Object.keys(result).sort(), [
      ...["dashboardUrl", "image", "nginxDashboardUrl", "release", "releases", "serviceUrl"],
    ]);
    assert.equal(await valueOf(result.serviceUrl), "https://audit.example.test");
    const state = (await valueOf(result.releases as pulumi.Output<unknown>)) as ReleaseState;
    assert.equal(state.slots[state.active]?.image, settings["audit:image"]);
    await assert.rejects(deploy(state, { "audit:kubeNamespace": "other" }), /audit:kubeNamespace was .* at the last/);
  });

  it("makes nothing of a VM, and uses no default provider", async () => {
    const { resources } = await deploy();
    assert.ok(!resources.some(({ type }) => type.startsWith("docker:")));
    const standard = ["command", "random", "pulumi", "audit"];
    for (const r of resources.filter((x) => !standard.includes(x.type.split(":")[0] ?? ""))) {
      assert.match(r.provider, /pulumi:providers:/, `${r.type} ${r.name}`);
    }
    for (const r of resources.filter(({ type }) => type.startsWith("kubernetes:")))
      assert.match(r.provider, /::cluster::/, r.name);
  });

  for (const credentials of ["static", "dynamic"]) {
    it(`keeps every password and token wrapped as a secret, wherever it goes (${credentials})`, async () => {
      const { resources } = await deploy(undefined, { "audit:databaseCredentials": credentials });
      const plain = (value: unknown): unknown => {
        if (value instanceof Secret) return "[secret]";
        if (Array.isArray(value)) return value.map(plain);
        if (value === null || typeof value !== "object") return value;
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
      };
      for (const r of resources) {
        const text = JSON.stringify(plain(r.inputs));
        assert.doesNotMatch(text, /password-of-|harbor-password/, `${r.type} ${r.name}`);
        assert.ok(!text.includes(Buffer.from("robot:harbor-password").toString("base64")), `${r.type} ${r.name}`);
      }
    });
  }

  it("compares the pods' configurations only where Vault does not make a login for each pod", async () => {
    const comparedWith = async (credentials: string) => {
      const { resources } = await deploy(undefined, {
        "audit:databaseCredentials": credentials,
        "audit:alerts": "grafana",
      });
      const { rules } = find(resources, "RuleGroup", "audit-alerts").inputs as { rules: { name: string }[] };
      const { configJson } = find(resources, "Dashboard", "audit-service-dashboard").inputs;
      return [
        rules.some(({ name }) => name === "AuditConfigNotEverywhere"),
        String(configJson).includes("Configurations in force"),
      ];
    };
    assert.deepEqual(await comparedWith("static"), [true, true]);
    assert.deepEqual(await comparedWith("dynamic"), [false, false]);
  });

  it("signs the log with a key of its own, or goes on with that of a stack on a VM", async () => {
    const keyOf = async (more: Record<string, string>) => {
      const { resources } = await deploy(undefined, { "audit:log": "key", ...more });
      return ofType(resources, "RandomPassword").flatMap(({ name }) => (name.includes("-log-key") ? [name] : []));
    };
    assert.deepEqual(await keyOf({}), ["audit-svc-cluster-log-key"]);
    assert.deepEqual(await keyOf({ "audit:logPlatform": "vm" }), ["audit-svc-log-key"]);
  });

  it("puts everything that it makes in the cluster into the one namespace, which is closed first", async () => {
    const { resources } = await deploy();
    const objects = resources.filter(({ type }) => type.startsWith("kubernetes:"));
    const namespace = find(resources, "Namespace", "cluster-namespace");
    const trial = find(resources, "Command", "cluster-policies-enforced");
    for (const { name, type, inputs, dependsOn } of objects) {
      if (type.endsWith(":Namespace")) continue;
      assert.equal((inputs.metadata as { namespace: string }).namespace, "audit", name);
      assert.ok(dependsOn.includes(namespace.urn), `${type} ${name}`);
      if (/:(Deployment|Service)$/.test(type)) assert.ok(dependsOn.includes(trial.urn), `${type} ${name}`);
    }
  });

  it("offers nothing beyond the cluster but nginx", async () => {
    const { resources } = await deploy();
    const offered = ofType(resources, "Service").filter(({ inputs }) => {
      const { type, clusterIP } = inputs.spec as { type?: string; clusterIP?: string };
      return type !== "ClusterIP" && clusterIP !== "None";
    });
    assert.deepEqual(
      offered.map(({ name }) => name),
      ["audit-edge"],
    );
    for (const { name, inputs } of ofType(resources, "Deployment")) {
      assert.doesNotMatch(JSON.stringify(inputs), /hostNetwork|hostPort|hostPath|privileged/, name);
    }
  });

  it("looks whether Prometheus scrapes the pods, and writes no list of them", async () => {
    const { resources } = await deploy();
    const { environment } = find(resources, "Command", "audit-targets-up").inputs as {
      environment: Record<string, string>;
    };
    const { AUDIT_PODS, ...rest } = environment;
    assert.equal(rest.PROMETHEUS_URL, "http://prometheus.example.test:9090");
    assert.equal(rest.AUDIT_TARGETS_PLACE, "http://audit.example.test:9145/targets");
    assert.equal(rest.AUDIT_TARGETS, undefined);
    const { release, ...pods } = JSON.parse(AUDIT_PODS ?? "") as Record<string, unknown>;
    assert.deepEqual(pods, { environment: "cluster", pods: 2 });
    assert.match(String(release), /^[0-9a-f]{12}$/);
    assert.ok(!ofType(resources, "Command").some(({ name }) => name.startsWith("audit-targets-files")));
  });

  it("has logins of its own made by Vault, so that a stack on a VM can have its own there as well", async () => {
    const { resources } = await deploy(undefined, { "audit:databaseCredentials": "dynamic" });
    assert.ok(find(resources, "SecretBackendRole", "audit-svc-cluster-database-role"));
    const { policy } = find(resources, "Policy", "audit-svc-policy").inputs;
    assert.match(String(policy), /path "database\/creds\/audit-svc-cluster"/);
  });

  it("refuses a cluster that is too old before it makes anything", async () => {
    clusterIs("29+");
    await assert.rejects(deploy(), (error: Error) => {
      assert.equal(
        error.message,
        "The cluster of audit:kubeContext production is Kubernetes v1.29+.4; 1.30 or newer is needed, which has native sidecars and a pause before a container's end. Upgrade the cluster. Nothing was changed.",
      );
      return true;
    });
    clusterIs("34");
  });

  it("makes PodMonitors for a Prometheus inside the cluster, and refuses a cluster without them", async () => {
    const inside = { "audit:prometheusDiscovery": "podMonitor", "audit:podMonitorNamespace": "monitoring" };
    await assert.rejects(deploy(undefined, inside), /production has no PodMonitors .* Nothing was changed\.$/);
    hasPodMonitors();
    const { resources } = await deploy(undefined, inside);
    clusterIs("34");
    const made = ofType(resources, "PodMonitor");
    assert.deepEqual(made.map(({ name }) => name).sort(), ["audit-edge-monitor", "audit-svc-monitor"]);
    for (const { inputs, provider } of made) {
      assert.equal((inputs.metadata as { namespace: string }).namespace, "audit");
      assert.match(provider, /::cluster::/);
    }
    assert.deepEqual(ofType((await deploy()).resources, "PodMonitor"), []);
  });

  it("refuses a cluster that cannot be reached before it makes anything", async () => {
    says('echo "E1 noise" >&2; echo "error: context \\"production\\" does not exist" >&2; exit 1');
    await assert.rejects(
      deploy(),
      /^Error: The cluster of audit:kubeContext production cannot be reached: error: context "production" does not exist \(KUBECONFIG names the file with the context\)\. Nothing was changed\.$/,
    );
    clusterIs("34");
  });

  it("is loaded for a cluster alone: a stack on a VM loads nothing of Kubernetes", () => {
    const list = `require("./index.ts"); for (const file of Object.keys(require.cache)) console.log(require("path").relative(".", file))`;
    const loaded = execFileSync("node", ["--require", "./tools/start.cjs", "-e", list], { encoding: "utf8" }).split(
      "\n",
    );
    assert.ok(loaded.some((file) => file.startsWith("node_modules/@pulumi/docker/")));
    assert.deepEqual(
      loaded.filter((file) =>
        /^(cluster\.ts$|components\/kubernetes\/|node_modules\/@pulumi\/kubernetes\/)/.test(file),
      ),
      [],
    );
  });
});
