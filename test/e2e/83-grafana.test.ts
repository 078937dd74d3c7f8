import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { attached } from "./support/sandbox";

interface Dashboard {
  title: string;
  panels: { title: string }[];
}

interface RuleGroup {
  interval: number;
  rules: { title: string; for: string; data: { datasourceUid: string; model: object }[] }[];
}

const RULES = "v1/provisioning/folder/audit-sandbox/rule-groups/audit-svc-sandbox";

describe("scenario: alerts in Grafana, and what was changed there by hand", () => {
  const sandbox = attached();
  let settings = "";
  let inPrometheus: string[] = [];

  before(async () => {
    settings = readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8");
    inPrometheus = await rulesInPrometheus();
  });
  after(async () => {
    if (readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8") === settings) return;
    restoreSettings();
    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
  });

  /** `--config` writes into the settings' file. */
  function restoreSettings(): void {
    writeFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), settings);
  }
  async function dashboard(): Promise<Dashboard> {
    const found = await sandbox().grafana<{ dashboard: Dashboard }>("GET", "dashboards/uid/audit-svc-sandbox");
    assert.ok(found, "Grafana has no such dashboard");
    return found.dashboard;
  }
  async function ruleGroup(): Promise<RuleGroup> {
    const found = await sandbox().grafana<RuleGroup>("GET", RULES);
    assert.ok(found, "Grafana has no such rule group");
    return found;
  }
  async function rulesInPrometheus(): Promise<string[]> {
    const response = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/rules?type=alert`);
    const { data } = (await response.json()) as { data: { groups: { rules: { name: string }[] }[] } };
    return data.groups.flatMap(({ rules }) => rules.map(({ name }) => name));
  }

  it("moves the alerts there with a setting, and Prometheus drops them", async () => {
    await sandbox().mustPulumi("up", "--yes", "--skip-preview", "--config", "audit:alerts=grafana");
    const { interval, rules } = await ruleGroup();
    assert.equal(interval, 10);
    assert.deepEqual(
      rules.map(({ title }) => title),
      inPrometheus,
    );
    assert.deepEqual(await rulesInPrometheus(), []);
  });

  it("has only queries that the data source can answer", async () => {
    for (const { title, data } of (await ruleGroup()).rules) {
      const [query] = data;
      const answer = await sandbox().grafana<{ results: Record<string, { status: number }> }>("POST", "ds/query", {
        from: "now-10m",
        to: "now",
        queries: [{ ...query?.model, datasource: { type: "prometheus", uid: query?.datasourceUid } }],
      });
      assert.equal(answer?.results.A?.status, 200, title);
    }
  });

  it("shows a dashboard and a rule that were changed by hand as drift, and restores them", async () => {
    const board = await dashboard();
    const [first, ...others] = board.panels;
    assert.ok(first);
    const panels = [{ ...first, title: "Changed by hand" }, ...others];
    await sandbox().grafana("POST", "dashboards/db", {
      dashboard: { ...board, panels },
      folderUid: "audit-sandbox",
      overwrite: true,
    });
    const group = await ruleGroup();
    await sandbox().grafana("PUT", RULES, { ...group, rules: group.rules.map((rule) => ({ ...rule, for: "1h" })) });

    const preview = await sandbox().pulumi(["preview", "--refresh", "--diff", "--expect-no-changes"]);
    assert.notEqual(preview.code, 0, `the change was not seen:\n${preview.output}`);
    assert.match(preview.output, /grafana:oss\/dashboard:Dashboard/);
    assert.match(preview.output, /Changed by hand/);
    assert.match(preview.output, /grafana:alerting\/ruleGroup:RuleGroup/);

    // The rules go back to Prometheus in the same run; that a rule group is put right is in the conformance suite.
    restoreSettings();
    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    assert.deepEqual(
      (await dashboard()).panels.map(({ title }) => title),
      board.panels.map(({ title }) => title),
    );
    assert.equal(await sandbox().grafana("GET", RULES), undefined, "the rule group is still there");
    assert.deepEqual(await rulesInPrometheus(), inPrometheus);
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });
});
