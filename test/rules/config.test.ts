import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { alertRules, targets } from "../../dashboards";
import { promtool } from "./promtool";

/** The example in the runbook, reading files of the working directory. */
async function documentedConfig(): Promise<string> {
  const runbook = await readFile("docs/runbook.md", "utf8");
  const block = /```yaml\n(.*?)```/s.exec(runbook)?.[1];
  assert.ok(block, "docs/runbook.md shows no lines for prometheus.yml");
  return block
    .replace(/^ {3}/gm, "")
    .replace("audit-rules/*.yml", "rules.yml")
    .replace("audit-targets/*.json", "targets.json");
}

const files = {
  "rules.yml": alertRules({ environment: "vm2", runbookUrl: "runbook.md" }),
  "targets.json": targets({
    address: "vm2.example:9145",
    environment: "vm2",
    release: "v1",
    replicas: [{ name: "audit-svc-blue-1", release: "v1" }],
  }),
};

describe("the documented lines for prometheus.yml", function () {
  this.timeout(60_000);

  it("are accepted by promtool, with the rules and the targets that they read", async () => {
    const output = await promtool(["check", "config", "prometheus.yml"], {
      ...files,
      "prometheus.yml": await documentedConfig(),
    });
    assert.match(output, /rules\.yml/);
    assert.match(output, /SUCCESS/);
  });

  it("would fail with targets that are none", async () => {
    const broken = { ...files, "targets.json": '[{"target":["vm2.example:9145"]}]' };
    await assert.rejects(
      promtool(["check", "config", "prometheus.yml"], { ...broken, "prometheus.yml": await documentedConfig() }),
      /targets\.json/,
    );
  });
});
