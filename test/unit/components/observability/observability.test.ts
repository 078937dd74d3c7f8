import assert from "node:assert/strict";
import * as grafana from "@pulumiverse/grafana";
import {
  Observability,
  type ObservabilityArgs,
  type TargetsDelivery,
} from "../../../../components/observability/observability";
import { find, ofType, run, valueOf, scriptOf } from "../../support/program";
import { world } from "../../support/world";

/** A minimal published dashboard. */
const PUBLISHED = JSON.stringify({
  title: "NGINX",
  panels: [{ type: "stat", title: "Status", datasource: "${DS_PROMETHEUS}", targets: [{ expr: "nginx_up" }] }],
  templating: { list: [{ name: "DS_PROMETHEUS", type: "datasource", query: "prometheus" }] },
});

const build = (
  change: Partial<ObservabilityArgs["grafana"]> = {},
  rules?: { directory: string; reload?: string },
  delivery: TargetsDelivery = { by: "file", directory: "targets-volume" },
  more: Partial<ObservabilityArgs> = {},
) => {
  const { vm } = world();
  return new Observability("audit", {
    environment: "vm2",
    prometheus: {
      url: "http://prometheus.example.test:9090",
      targets: delivery,
    },
    files: vm,
    alerts: rules === undefined ? { in: "none" } : { in: "prometheus" as const, ...rules },
    edge: { targets: { host: vm, volume: "edge-config", file: "targets.json", path: "/targets" }, otherMetrics: [] },
    metricsAddress: "vm2.example.test:9145",
    service: {
      serving: { replicas: [{ name: "audit-svc-blue-1", release: "abc" }], release: "abc" },
      promoted: vm.networks,
    },
    grafana: {
      provider: new grafana.Provider("grafana", { url: "https://grafana.example.test" }),
      publicUrl: "https://grafana.example.test",
      dataSource: { uid: "existing" },
      nginxDashboard: PUBLISHED,
      ...change,
    },
    runbookUrl: "https://git.example.test/runbook.md",
    ...more,
  });
};

describe("Observability", () => {
  it("tells Prometheus its targets, then checks that they are up", async () => {
    const { resources } = await run(() => build());
    const written = find(resources, "Command", "audit-targets-files");
    assert.match(scriptOf(written.inputs), /--volume targets-volume:\/files/);
    assert.match(
      written.inputs.stdin as string,
      /audit-vm2\.json[\s\S]*"__metrics_path__": "\/metrics\/audit-svc-blue-1"/,
    );
    const check = find(resources, "Command", "audit-targets-up");
    assert.ok(check.dependsOn.includes(written.urn));
    assert.equal(
      (check.inputs.environment as Record<string, string>).PROMETHEUS_URL,
      "http://prometheus.example.test:9090",
    );
  });

  it("writes alert rules if configured and makes Prometheus reload them, and none otherwise", async () => {
    const { resources } = await run(() => build({}, { directory: "rules-volume" }));
    const written = find(resources, "Command", "audit-rules-files");
    assert.match(written.inputs.stdin as string, /alert: /);
    const loaded = find(resources, "Command", "audit-rules-loaded");
    assert.ok(loaded.dependsOn.includes(written.urn));
    assert.equal((loaded.inputs.environment as Record<string, string>).AUDIT_RULES_RELOADED, "");
    // Deleted in the reverse order: first the file, then Prometheus reloads.
    const forgotten = find(resources, "Command", "audit-rules-forgotten");
    assert.ok(written.dependsOn.includes(forgotten.urn));
    assert.equal(forgotten.inputs.delete, "node --require tsx/cjs steps/load-rules.ts --forget");
    const without = await run(() => build());
    assert.deepEqual(
      ofType(without.resources, "Command").filter(({ name }) => name.includes("rules")),
      [],
    );
  });

  it("reloads Prometheus with the given command", async () => {
    const { resources } = await run(() => build({}, { directory: "rules", reload: "systemctl reload prometheus" }));
    assert.match(scriptOf(find(resources, "Command", "audit-rules-files").inputs), /\nsystemctl reload prometheus$/);
    const loaded = find(resources, "Command", "audit-rules-loaded");
    assert.equal((loaded.inputs.environment as Record<string, string>).AUDIT_RULES_RELOADED, "yes");
    const written = find(resources, "Command", "audit-rules-files");
    const { AUDIT_DELETE_SCRIPT } = written.inputs.environment as Record<string, string>;
    assert.match(AUDIT_DELETE_SCRIPT ?? "", /\nsystemctl reload prometheus$/);
    assert.ok(!resources.some(({ name }) => name === "audit-rules-forgotten"));
  });

  it("gives the alerts to Grafana as one rule group in the dashboards' folder, and writes no rules file then", async () => {
    const { resources } = await run(() => build({}, undefined, undefined, { alerts: { in: "grafana" } }));
    const group = find(resources, "RuleGroup", "audit-alerts");
    assert.match(group.provider, /grafana/);
    const { rules, ...inputs } = group.inputs;
    assert.deepEqual(inputs, { name: "audit-svc-vm2", folderUid: "audit-vm2", intervalSeconds: 10 });
    const names = (rules as { name: string; datas: { datasourceUid: string }[] }[]).map(({ name }) => name);
    assert.ok(names.includes("AuditServiceDown"), names.join());
    const sources = new Set(
      (rules as { datas: { datasourceUid: string }[] }[]).map(({ datas }) => datas[0]?.datasourceUid),
    );
    assert.deepEqual([...sources], ["existing"]);
    assert.ok(!resources.some(({ name }) => name.includes("rules")));
  });

  it("gives the targets to the edge if Prometheus discovers them by HTTP", async () => {
    const { resources } = await run(() => build({}, undefined, { by: "http" }));
    const written = find(resources, "Command", "audit-targets-files");
    assert.match(scriptOf(written.inputs), /--volume edge-config:\/files/);
    assert.match(written.inputs.stdin as string, /-----targets\.json\n/);
    const check = find(resources, "Command", "audit-targets-up").inputs.environment as Record<string, string>;
    assert.equal(check.AUDIT_TARGETS_PLACE, "http://vm2.example.test:9145/targets");
  });

  it("writes no targets where the edge keeps the list, and looks for so many pods", async () => {
    const { resources } = await run(() =>
      build(
        {},
        undefined,
        { by: "http" },
        {
          edge: { targets: { path: "/targets" }, otherMetrics: [] },
          service: { serving: { release: "abc", pods: 3 }, promoted: world().vm.networks },
          alerts: { in: "grafana" },
        },
      ),
    );
    // The agents in pods tell less of themselves, and no alert asks for the rest.
    const { rules } = find(resources, "RuleGroup", "audit-alerts").inputs as { rules: { name: string }[] };
    assert.ok(rules.length > 10);
    assert.doesNotMatch(JSON.stringify(rules), /audit_agent_|secret_id/);
    const { configJson } = find(resources, "Dashboard", "audit-service-dashboard").inputs;
    assert.match(String(configJson), /vault_agent_authenticated/);
    assert.doesNotMatch(String(configJson), /audit_agent_|secret_id/);
    assert.ok(!resources.some(({ name }) => name.startsWith("audit-targets-files")));
    const { environment, triggers } = find(resources, "Command", "audit-targets-up").inputs as {
      environment: Record<string, string>;
      triggers: string[];
    };
    assert.equal(environment.AUDIT_PODS, '{"environment":"vm2","release":"abc","pods":3}');
    assert.equal(environment.AUDIT_TARGETS_PLACE, "http://vm2.example.test:9145/targets");
    assert.deepEqual(triggers, [environment.AUDIT_PODS, environment.AUDIT_TARGETS_PLACE]);
  });

  it("looks for PodMonitors' targets as well, which are a cluster's alone", async () => {
    const inPods = {
      edge: { targets: { path: "/targets" }, otherMetrics: [] },
      alerts: { in: "grafana" as const },
    };
    const { resources } = await run(() =>
      build(
        {},
        undefined,
        { by: "podMonitor" },
        {
          ...inPods,
          service: { serving: { release: "abc", pods: 3 }, promoted: world().vm.networks },
        },
      ),
    );
    const { environment } = find(resources, "Command", "audit-targets-up").inputs as {
      environment: Record<string, string>;
    };
    assert.equal(environment.AUDIT_TARGETS_PLACE, "podMonitor");
    await assert.rejects(
      run(() => build({}, undefined, { by: "podMonitor" })),
      { message: "Observability: prometheus.targets by podMonitor is for a service that runs in pods." },
    );
  });

  it("alerts on the certificate's expiry by its source, and on the database's size if its limit is known", async () => {
    const rulesWith = async (more: Partial<ObservabilityArgs>) => {
      const { resources } = await run(() => build({}, { directory: "rules-volume" }, undefined, more));
      const panels = find(resources, "Dashboard", "audit-service-dashboard").inputs.configJson as string;
      return { rules: find(resources, "Command", "audit-rules-files").inputs.stdin as string, panels };
    };
    const none = await rulesWith({});
    assert.doesNotMatch(none.rules + none.panels, /certificate_expiry|AuditDatabaseFull/);
    const files = await rulesWith({
      certificate: { by: "files", certificateFile: "c", keyFile: "k" },
      databaseLimit: 1,
    });
    assert.match(files.rules, /certificate_expiry.* - time\(\) < 172800\n/);
    assert.match(files.rules, /certificate_expiry.* - time\(\) < 1209600 >= 172800\n/);
    assert.match(files.rules, /predict_linear\(.* > 1073741824 and/);
    assert.match(files.panels, /certificate_expiry/);
    const vault = await rulesWith({ certificate: { by: "vault", mount: "pki", role: "edge", ttl: "72h" } });
    assert.match(vault.rules, /certificate_expiry.* - time\(\) < 10368 >= 5184\n/);
  });

  it("refuses to write Prometheus's files without a place for them, before it creates anything", async () => {
    await assert.rejects(
      run(() => build({}, undefined, undefined, { files: undefined })),
      { message: "Observability: the targets go into files of Prometheus, and the argument files is not given." },
    );
  });

  it("saves both dashboards under fixed uids in a separate folder", async () => {
    const { resources, result } = await run(() => build());
    const folder = find(resources, "Folder", "audit-folder");
    assert.equal(folder.inputs.uid, "audit-vm2");
    for (const d of ofType(resources, "Dashboard")) assert.equal(d.inputs.folder, "audit-vm2", d.name);
    assert.equal(await valueOf(result.dashboardUrl), "https://grafana.example.test/d/audit-svc-vm2");
    assert.equal(await valueOf(result.nginxDashboardUrl), "https://grafana.example.test/d/audit-nginx-vm2");
  });

  it("uses an existing data source, or creates one", async () => {
    const existing = await run(() => build());
    assert.deepEqual(ofType(existing.resources, "DataSource"), []);
    const made = await run(() => build({ dataSource: { prometheusUrl: "http://prometheus:9090" } }));
    const source = find(made.resources, "DataSource", "audit-prometheus");
    assert.equal(source.inputs.url, "http://prometheus:9090");
    const json = find(made.resources, "Dashboard", "audit-service-dashboard").inputs.configJson as string;
    assert.ok(json.includes(source.inputs.uid as string));
  });
});
