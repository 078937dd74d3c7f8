import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HIDDEN_PATHS, rawStatus } from "../../ci/lib/hidden-paths";
import { targetsAreUp } from "../../ci/smoke";
import { reloadsOf } from "./support/replicas";
import { attached, root, run } from "./support/sandbox";

describe("scenario: an event in and out through the edge", () => {
  const sandbox = attached();

  it("stores an event and gives it back", async () => {
    const id = randomUUID();
    const event = {
      id,
      application: "demo",
      actor: `e2e-${id}`,
      action: "login",
      resource: "console",
      outcome: "success",
      occurredAt: new Date().toISOString(),
    };
    const sent = await sandbox().edge("/v1/events", {
      method: "POST",
      token: sandbox().get("AUDIT_TOKEN"),
      body: JSON.stringify(event),
    });
    assert.equal(sent.status, 201, sent.body);
    assert.deepEqual(JSON.parse(sent.body), { ids: [id] });

    const read = await sandbox().edge(`/v1/events?actor=e2e-${id}`, { token: sandbox().get("AUDIT_READ_TOKEN") });
    assert.equal(read.status, 200, read.body);
    const { events } = JSON.parse(read.body) as { events: { id: string; resource: string }[] };
    assert.deepEqual(
      events.map((found) => [found.id, found.resource]),
      [[id, "console"]],
    );
  });

  it("does so with the requests from the README, unchanged", async () => {
    const readme = readFileSync(join(root, "README.md"), "utf8");
    const [send = "", read = ""] = readme.match(/^curl (?:.*\\\n)*.*$/gm) ?? [];
    const sent = await run(["bash", "-c", send], sandbox().env);
    const { ids } = JSON.parse(sent.stdout) as { ids?: string[] };
    assert.equal(ids?.length, 1, sent.output);
    const { stdout, output } = await run(["bash", "-c", read], sandbox().env);
    const { events } = JSON.parse(stdout) as { events?: { actor: string }[] };
    assert.equal(events?.length, 1, output);
  });

  it("refuses an event without a token, and a reader that writes", async () => {
    assert.equal((await sandbox().edge("/v1/events", { method: "POST", body: "{}" })).status, 401);
    const token = sandbox().get("AUDIT_READ_TOKEN");
    assert.equal((await sandbox().edge("/v1/events", { method: "POST", body: "{}", token })).status, 403);
  });

  it("answers /reload and /metrics with 404 in every spelling, and none of them reaches a replica", async () => {
    const before = await reloadsOf(sandbox());
    for (const path of HIDDEN_PATHS) {
      for (const method of ["POST", "GET"]) {
        const status = await rawStatus(sandbox().get("AUDIT_URL"), method, path);
        // nginx itself rejects an invalid URL (%00) and one that climbs above the root.
        assert.ok(status === 404 || (status === 400 && path.includes("%00")), `${method} ${path}: ${status}`);
      }
    }
    assert.deepEqual(await reloadsOf(sandbox()), before, "a reload reached the service");
  });

  it("is scraped by Prometheus: the service and the edge are up", async () => {
    const release = (await sandbox().mustPulumi("stack", "output", "release")).trim();
    await targetsAreUp(sandbox().get("PROMETHEUS_URL"), "sandbox", release);
  });

  it("has its dashboards in Grafana, at the URLs in the outputs", async () => {
    const outputs = JSON.parse(await sandbox().mustPulumi("stack", "output", "--json")) as Record<string, string>;
    for (const name of ["dashboardUrl", "nginxDashboardUrl"]) {
      const address = outputs[name] ?? "";
      const uid = /\/d\/([^/]+)/.exec(address)?.[1] ?? "";
      assert.ok(await sandbox().grafana("GET", `dashboards/uid/${uid}`), `${name} ${address}`);
      assert.equal((await fetch(address)).status, 200, `${name} ${address}`);
    }
  });
});
