import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { reloadsOf } from "./support/replicas";
import { attached, root, run, until } from "./support/sandbox";

/** Spellings of /reload that reach it through one web framework or another (docs of nginx/routes.ts). */
const reloads = [
  "/reload",
  "/reload/",
  "/RELOAD",
  "/reload;",
  "/reload;a",
  "/rel%6fad",
  "/rel%6fad;a",
  "/reload%0a",
  "/reload%00",
  "/reload%2f",
  "/./reload",
  "//reload",
  "/v1/../reload",
  "/v1/%2e%2e/reload",
  "/v1/events/../../reload",
  "/reload?x=1",
  "/reload%3f",
  "/reload.json",
];

describe("journey: an event in and out through the edge", () => {
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

  it("does so by the requests in the README, as they stand there", async () => {
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

  it("answers /reload with 404 in every spelling, and none of them reaches a replica", async () => {
    const before = await reloadsOf(sandbox());
    for (const path of reloads) {
      for (const method of ["POST", "GET"]) {
        // Not fetch, which would tidy the path up before it is sent.
        const status = await rawStatus(sandbox().get("AUDIT_URL"), method, path);
        // nginx itself refuses what is no URL at all (%00) and climbs above the root.
        assert.ok(status === 404 || (status === 400 && path.includes("%00")), `${method} ${path}: ${status}`);
      }
    }
    assert.deepEqual(await reloadsOf(sandbox()), before, "a reload reached the service");
  });

  it("is scraped by Prometheus: the service and the edge are up", async () => {
    await until("every target is up", 60, async () => {
      const up = await query(`up{environment="sandbox"}`);
      const jobs = new Set(up.map(({ metric }) => metric.job));
      if (!jobs.has("audit-svc") || !jobs.has("nginx"))
        throw new Error(`scraped jobs: ${[...jobs].join(", ") || "none"}`);
      const down = up.filter(({ value }) => value[1] !== "1");
      if (down.length > 0) throw new Error(`down: ${JSON.stringify(down.map(({ metric }) => metric))}`);
      return true;
    });
  });

  it("has its dashboards in Grafana, where the outputs say", async () => {
    const outputs = JSON.parse(await sandbox().mustPulumi("stack", "output", "--json")) as Record<string, string>;
    for (const name of ["dashboardUrl", "nginxDashboardUrl"]) {
      const address = outputs[name] ?? "";
      const uid = /\/d\/([^/]+)/.exec(address)?.[1] ?? "";
      assert.ok(await sandbox().grafana("GET", `dashboards/uid/${uid}`), `${name} ${address}`);
      assert.equal((await fetch(address)).status, 200, `${name} ${address}`);
    }
  });

  interface Sample {
    metric: Record<string, string>;
    value: [number, string];
  }
  async function query(expression: string): Promise<Sample[]> {
    const address = `${sandbox().get("PROMETHEUS_URL")}/api/v1/query?query=${encodeURIComponent(expression)}`;
    const answer = (await (await fetch(address)).json()) as { data: { result: Sample[] } };
    return answer.data.result;
  }
});

/** The status of a request whose path is sent exactly as given. */
async function rawStatus(base: string, method: string, path: string): Promise<number> {
  const { connect } = await import("node:net");
  const { hostname, port } = new URL(base);
  return new Promise((done, fail) => {
    const socket = connect(Number(port), hostname, () =>
      socket.write(`${method} ${path} HTTP/1.1\r\nhost: ${hostname}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`),
    );
    let answer = "";
    socket.setTimeout(10_000, () => socket.destroy(new Error(`no answer to ${method} ${path}`)));
    socket.on("data", (chunk) => (answer += chunk.toString()));
    socket.on("error", fail);
    socket.on("close", () => done(Number(/^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 0)));
  });
}
