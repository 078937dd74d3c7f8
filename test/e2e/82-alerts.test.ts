import assert from "node:assert/strict";
import { attached, run, until } from "./support/sandbox";

interface Rule {
  name: string;
  state: string;
  health: string;
  lastError?: string;
}

describe("scenario: the alerts in Prometheus", () => {
  const sandbox = attached();
  let stopped: string[] = [];

  after(async () => {
    if (stopped.length > 0) await sandbox().docker("start", ...stopped);
  });

  async function ask<T>(path: string): Promise<T> {
    const response = await fetch(sandbox().get("PROMETHEUS_URL") + path, { signal: AbortSignal.timeout(10_000) });
    assert.equal(response.status, 200, path);
    return ((await response.json()) as { data: T }).data;
  }

  async function rules(): Promise<Rule[]> {
    const { groups } = await ask<{ groups: { name: string; rules: Rule[] }[] }>("/api/v1/rules?type=alert");
    return groups.find(({ name }) => name === "audit-svc-sandbox")?.rules ?? [];
  }

  const state = async (alert: string) => (await rules()).find(({ name }) => name === alert)?.state;

  const up = async () =>
    (
      await ask<{ result: { value: [number, string] }[] }>(
        `/api/v1/query?query=${encodeURIComponent('up{job="audit-svc",environment="sandbox"}')}`,
      )
    ).result.map(({ value }) => value[1]);

  /** Asserts that the check at the end of a deploy reports each stopped replica as down, with the reason. */
  async function refusesADeploy(): Promise<void> {
    const { activeTargets } = await ask<{ activeTargets: { labels: Record<string, string> }[] }>(
      "/api/v1/targets?state=active",
    );
    const ours = activeTargets.filter(({ labels }) => labels.environment === "sandbox");
    const { code, output } = await run([process.execPath, "--import", "tsx", "steps/check-targets.ts"], {
      ...sandbox().env,
      AUDIT_TARGETS: JSON.stringify(ours.map(({ labels }) => ({ targets: [], labels }))),
      AUDIT_TARGETS_DEADLINE: "1",
    });
    assert.equal(code, 1, output);
    for (const name of stopped)
      assert.match(
        output,
        new RegExp(`- audit-svc \\S+/${name}: down; http://\\S+/${name}: server returned HTTP status 50\\d`),
      );
    assert.doesNotMatch(output, /- nginx /);
  }

  it("are in force since the deploy, and each can be evaluated", async () => {
    const found = await until("every rule is evaluated", 30, async () => {
      const all = await rules();
      return all.length > 0 && all.every(({ health }) => health !== "unknown") ? all : undefined;
    });
    assert.ok(found.length >= 14, `only ${found.length} rules`);
    assert.deepEqual(
      found.filter(({ health }) => health !== "ok"),
      [],
    );
  });

  it("show a stopped service within 30 seconds, as its status does, and that it is back", async () => {
    await until("the service is up", 60, async () =>
      (await up()).every((value) => value === "1") && (await state("AuditServiceDown")) === "inactive"
        ? true
        : undefined,
    );
    const names = await sandbox().docker("ps", "--filter", "name=^audit-svc-(blue|green)-", "--format", "{{.Names}}");
    stopped = names.split("\n").filter((name) => name !== "");
    assert.ok(stopped.length > 0);
    await sandbox().docker("stop", "--time", "5", ...stopped);
    await until("the alert fires", 30, async () =>
      (await up()).every((value) => value === "0") && (await state("AuditServiceDown")) === "firing" ? true : undefined,
    );
    await refusesADeploy();
    await sandbox().docker("start", ...stopped);
    await until("the service is up again and the alert is over", 60, async () =>
      (await up()).every((value) => value === "1") && (await state("AuditServiceDown")) === "inactive"
        ? true
        : undefined,
    );
    stopped = [];
  });
});
