import assert from "node:assert/strict";
import { attached } from "./support/sandbox";

interface Dashboard {
  title: string;
  panels: { title: string }[];
}

describe("journey: a dashboard that was changed by hand", () => {
  const sandbox = attached();

  async function grafana<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${sandbox().get("GRAFANA_URL")}/api/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(sandbox().get("GRAFANA_AUTH")).toString("base64")}`,
        "content-type": "application/json",
      },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    assert.equal(response.status, 200, `${method} ${path}: ${text}`);
    return JSON.parse(text) as T;
  }
  const read = async (): Promise<Dashboard> =>
    (await grafana<{ dashboard: Dashboard }>("GET", "dashboards/uid/audit-svc-sandbox")).dashboard;

  it("is shown as drift by `preview --refresh`, and put right by `up --refresh`", async () => {
    const before = await read();
    const [first, ...others] = before.panels;
    assert.ok(first);
    const panels = [{ ...first, title: "Changed by hand" }, ...others];
    await grafana("POST", "dashboards/db", {
      dashboard: { ...before, panels },
      folderUid: "audit-sandbox",
      overwrite: true,
    });
    const preview = await sandbox().pulumi(["preview", "--refresh", "--diff", "--expect-no-changes"]);
    assert.notEqual(preview.code, 0, `the change was not seen:\n${preview.output}`);
    assert.match(preview.output, /grafana:oss\/dashboard:Dashboard/);
    assert.match(preview.output, /Changed by hand/);

    await sandbox().mustPulumi("up", "--refresh", "--yes", "--skip-preview");
    assert.deepEqual(
      (await read()).panels.map(({ title }) => title),
      before.panels.map(({ title }) => title),
    );
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });
});
