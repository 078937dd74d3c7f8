import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { parse } from "yaml";

import { alertRules } from "../../../dashboards";
import { assertKnownSeries } from "./expect";

interface Rule {
  alert: string;
  expr: string;
  for: string;
  labels: Record<string, string>;
  annotations: Record<string, string>;
}

const least = { environment: "vm2", runbookUrl: "https://docs.example/runbook.md" };
/** With everything that can be watched. */
const options = {
  ...least,
  databaseLimit: 100 * 1024 ** 3,
  log: true,
  certificate: { warning: 14 * 86_400, critical: 2 * 86_400 },
};
const text = alertRules(options);
const { groups } = parse(text) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

describe("the alert rules", () => {
  it("are rendered exactly as expected", async () => {
    assert.equal(text, await readFile(join(__dirname, "expected-alerts.yml"), "utf8"));
  });

  it("are one group of the environment, each with a name of its own", () => {
    assert.deepEqual(
      groups.map(({ name }) => name),
      ["audit-svc-vm2"],
    );
    assert.equal(new Set(rules.map((rule) => rule.alert)).size, rules.length);
  });

  it("have a severity, a summary, a description and a section of the runbook", async () => {
    const runbook = await readFile("docs/runbook.md", "utf8");
    const headings = [...runbook.matchAll(/^## (\w+)$/gm)].map(([, name]) => name);
    for (const { alert, labels, annotations } of rules) {
      assert.match(labels.severity ?? "", /^(critical|warning)$/, alert);
      assert.ok(annotations.summary, alert);
      assert.ok(annotations.description, alert);
      assert.equal(annotations.runbook_url, `https://docs.example/runbook.md#${alert.toLowerCase()}`);
      assert.ok(headings.includes(alert), `docs/runbook.md has no section ${alert}`);
    }
    const names = rules.map(({ alert }) => alert);
    assert.deepEqual(
      headings.filter((name) => name?.startsWith("Audit")),
      names,
      "the runbook has the alerts' sections in their order, and no others",
    );
  });

  it("ask only for series of their environment that are exposed, in PromQL that parses", () => {
    for (const { alert, expr } of rules) {
      const { series } = assertKnownSeries(expr);
      assert.equal(expr.split('environment="vm2"').length - 1, series.length, `${alert} asks beyond its environment`);
    }
  });

  it("leave out alerts for what does not exist", () => {
    const names = (from: string) => [...from.matchAll(/alert: (\w+)/g)].map(([, name]) => name ?? "");
    const left = names(alertRules(least));
    assert.deepEqual(
      names(text).filter((name) => !left.includes(name)),
      [
        "AuditDatabaseFull",
        ...["AuditLogBehind", "AuditLogUnsigned", "AuditLogUnwitnessed"],
        ...["AuditCertificateEnds", "AuditCertificateEndsSoon", "AuditCertificateNotScraped"],
      ],
    );
  });

  it("say of agents in pods what these tell, under the names that a VM's have", () => {
    const [inPods] = (parse(alertRules({ ...options, inPods: true })) as { groups: { rules: Rule[] }[] }).groups;
    const names = rules.map(({ alert }) => alert);
    assert.deepEqual(
      inPods?.rules.map(({ alert }) => alert),
      names.filter((name) => name !== "AuditAgentTokenEnding" && name !== "AuditSecretIdEnding"),
    );
    const agents = inPods?.rules.filter(({ alert }) => alert.startsWith("AuditAgent")) ?? [];
    const here = '{job="audit-agent",environment="vm2"}';
    assert.deepEqual(
      agents.map(({ expr, for: lasting, labels }) => [expr, lasting, labels.severity]),
      [
        [`vault_agent_authenticated${here} == 0`, "1m", "critical"],
        [`up${here} == 0 or absent(vault_agent_authenticated${here})`, "5m", "warning"],
      ],
    );
    for (const { expr, annotations } of agents) {
      assertKnownSeries(expr);
      assert.doesNotMatch(JSON.stringify(annotations), /secret_id/);
    }
    const others = (from: readonly Rule[] = []) => from.filter(({ alert }) => !/Agent|SecretId/.test(alert));
    assert.deepEqual(others(inPods?.rules), others(rules));
  });

  it("compare no configurations where each pod has a login of its own: all of them differ", () => {
    const own = parse(alertRules({ ...options, inPods: true, loginPerPod: true })) as { groups: { rules: Rule[] }[] };
    const same = parse(alertRules({ ...options, inPods: true })) as { groups: { rules: Rule[] }[] };
    assert.deepEqual(
      own.groups[0]?.rules,
      same.groups[0]?.rules.filter(({ alert }) => alert !== "AuditConfigNotEverywhere"),
    );
  });

  it("link to the dashboard if it is known", () => {
    const dashboardUrl = "https://grafana.example/d/audit-svc";
    assert.equal(
      alertRules({ ...options, dashboardUrl }).split(`dashboard_url: ${dashboardUrl}\n`).length - 1,
      rules.length,
    );
    assert.doesNotMatch(text, /dashboard_url/);
  });

  it("use the given thresholds", () => {
    const other = parse(alertRules({ ...options, errorShare: 0.2, latencySeconds: 2 })) as {
      groups: { rules: Rule[] }[];
    };
    const expr = (name: string) => other.groups[0]?.rules.find((rule) => rule.alert === name)?.expr ?? "";
    assert.match(expr("AuditErrorShare"), / > 0\.2$/);
    assert.match(expr("AuditLatency"), / > 2$/);
  });

  it("refuse thresholds that are never or always exceeded", () => {
    assert.throws(() => alertRules({ ...options, errorShare: 5 }), {
      message: "errorShare must be above 0 and below 1, not 5.",
    });
    assert.throws(() => alertRules({ ...options, latencySeconds: 0 }), {
      message: "latencySeconds must be above 0, not 0.",
    });
    assert.throws(() => alertRules({ ...options, databaseLimit: -1 }), {
      message: "databaseLimit must be above 0, not -1.",
    });
    assert.throws(() => alertRules({ ...options, certificate: { warning: 60, critical: 60 } }), {
      message: "certificate.warning must be above certificate.critical, and both above 0.",
    });
  });
});
