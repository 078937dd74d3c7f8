import assert from "node:assert/strict";
import { afterEach, describe, it } from "mocha";
import { operatorsPathsAreHidden, smoke, targetsAreUp } from "../../../ci/smoke";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { closeAll, double, type Answer, type Asked } from "./support/servers";

const RELEASE = "aaaaaaaaaaaa";
const target = (job: string, release: string | undefined, change: object = {}) => ({
  labels: { job, instance: `${job}-1`, environment: "vm2", ...(release === undefined ? {} : { release }) },
  ...{ scrapeUrl: `http://vm2:9145/${job}`, health: "up", lastError: "", scrapeInterval: "15s" },
  lastScrape: new Date().toISOString(),
  ...change,
});
/** A target of another installation, to be ignored. */
const elsewhere = target("nginx", undefined, {
  labels: { job: "nginx", instance: "other:9145/nginx", environment: "test" },
  health: "down",
});
const prometheus = (...activeTargets: object[]) => double(() => ({ body: { data: { activeTargets } } }));

describe("ci: smoke test", () => {
  afterEach(closeAll);

  /** The edge with a service behind it: keeps what is posted, answers 404 to whatever it does not route. */
  const edge = (more: (asked: Asked) => Answer | undefined = () => undefined) => {
    const events: object[] = [];
    return double((asked) => {
      const other = more(asked);
      if (other !== undefined) return other;
      if (asked.path.split("?")[0] !== "/v1/events") return { status: 404 };
      if (asked.method === "GET")
        return asked.headers.authorization === "Bearer reads-smoke" ? { body: { events } } : { status: 401 };
      if (asked.headers.authorization !== "Bearer writes-smoke") return { status: 401 };
      const event = JSON.parse(asked.body) as Record<string, unknown>;
      // Fields without which the service refuses an event, by CONTRACT.md.
      const wanted = ["application", "actor", "action", "resource", "outcome", "occurredAt"];
      if (wanted.some((field) => event[field] === undefined)) return { status: 400 };
      if (event.application !== "smoke") return { status: 403 };
      events.unshift(event);
      return { status: 201 };
    });
  };
  const run = async (
    service: string,
    metrics: string,
    tokens: Record<string, string> = { "writer-smoke": "writes-smoke", "reader-smoke": "reads-smoke" },
  ) => {
    const secrets = { PULUMI_BACKEND_URL: "postgres://x", PGPASSWORD: "p-of-deployer", GRAFANA_AUTH: "g-of-grafana" };
    const held = Object.entries(tokens).map(([holder, token]) => [`kv/svc/vm2-tokens/${holder}`, { token }] as const);
    const vault = await vaultWith({ "secret/ci/audit/deploy": secrets, ...Object.fromEntries(held) });
    const { exec } = commands({
      "pulumi config --json": () => ({
        stdout: JSON.stringify({
          "audit:vaultMount": { value: "kv" },
          "audit:vaultPath": { value: "svc/vm2" },
          "audit:prometheusUrl": { value: metrics },
        }),
      }),
    });
    const { job, log } = jobWith({
      VAULT_ADDR: vault.url,
      VAULT_ID_TOKEN: tokenFor({}),
      SERVICE_URL: `${service}/`,
      RELEASE,
    });
    return smoke(job, exec).then(() => log);
  };
  const allUp = () => prometheus(target("audit-svc", RELEASE), target("nginx", undefined), elsewhere);

  it("sends an event of an application of its own, reads it back, and asks Prometheus", async () => {
    const metrics = await allUp();
    const service = await edge();
    const log = await run(service.url, metrics.url);
    assert.deepEqual(log.slice(-3), [
      "ok: /reload and /metrics are 404 in 25 spellings",
      "ok: an event went in and came out",
      `ok: Prometheus has 2 targets of release ${RELEASE} up`,
    ]);
    const sent = JSON.parse(service.asked.find(({ body }) => body !== "")?.body ?? "") as { application: string };
    assert.equal(sent.application, "smoke");
    assert.equal(metrics.asked[0]?.path, "/api/v1/targets?state=active");
  });

  it("finds one spelling of /reload that gets through, sent as it is spelt", async () => {
    const { url } = await edge(({ path }) => (path === "/rel%6fad" ? { status: 200 } : undefined));
    await failsWith(operatorsPathsAreHidden(url), "POST /rel%6fad through the edge was answered 200 instead of 404");
    const dots = await edge(({ path }) => (path === "/v1/../reload" ? { status: 202 } : undefined));
    await failsWith(
      operatorsPathsAreHidden(dots.url),
      "POST /v1/../reload through the edge was answered 202 instead of 404",
    );
    for (const path of ["/reload;/../v1/events", "/metrics;x=y/%2e%2e/v1/events"]) {
      const detour = await edge((asked) => (asked.path === path ? { status: 201 } : undefined));
      await failsWith(
        operatorsPathsAreHidden(detour.url),
        `POST ${path} through the edge was answered 201 instead of 404`,
      );
    }
  });

  it("sends requests below the path at which the service is published", async () => {
    const service = await edge();
    await operatorsPathsAreHidden(`${service.url}/audit`);
    assert.ok(service.asked.length > 0);
    for (const { path } of service.asked) assert.ok(path.startsWith("/audit/"), path);
  });

  it("says that the service is unreachable", () =>
    failsWith(
      operatorsPathsAreHidden("http://127.0.0.1:1"),
      /^the service at http:\/\/127\.0\.0\.1:1 does not answer: /,
    ));

  it("says that an event was refused, or accepted and lost", async () => {
    const metrics = await allUp();
    const refusing = await edge(({ method, path }) =>
      method === "POST" && path === "/v1/events" ? { status: 503, body: "no database" } : undefined,
    );
    await failsWith(
      run(refusing.url, metrics.url),
      `POST ${refusing.url}/v1/events was answered 503 instead of 201: no database`,
    );
    const losing = await edge(({ method }) => (method === "GET" ? { body: { events: [] } } : undefined));
    await failsWith(run(losing.url, metrics.url), `the event that ${losing.url} accepted cannot be read back`);
  });

  it("names the targets that are down, no longer scraped, or missing", async () => {
    const down = { health: "down", lastError: "connection refused" };
    const { url } = await prometheus(target("audit-svc", "bbbbbbbbbbbb"), target("nginx", undefined, down));
    await failsWith(
      targetsAreUp(url, "vm2", RELEASE, { seconds: 0 }),
      `Prometheus at ${url}: nginx nginx-1: down; http://vm2:9145/nginx: connection refused, no audit-svc target of release ${RELEASE}`,
    );
    const old = { lastScrape: new Date(Date.now() - 300_000).toISOString() };
    const stale = await prometheus(target("audit-svc", RELEASE, old));
    await failsWith(
      targetsAreUp(stale.url, "vm2", RELEASE, { seconds: 0 }),
      /: audit-svc audit-svc-1: up, but not scraped for \d+ s, no nginx target$/,
    );
  });

  it("wants the replicas of a cluster, and takes one that does not tell its release for one of them", async () => {
    const { url } = await prometheus(target("audit-svc", "unknown"), target("nginx", undefined), elsewhere);
    assert.equal(await targetsAreUp(url, "vm2", RELEASE, { seconds: 0, pods: 1 }), 2);
    await failsWith(
      targetsAreUp(url, "vm2", RELEASE, { seconds: 0, pods: 3 }),
      `Prometheus at ${url}: 1 of 3 audit-svc targets of release ${RELEASE}`,
    );
  });

  it("says that Prometheus is unreachable, with the setting's name", () =>
    failsWith(
      targetsAreUp("http://127.0.0.1:1", "vm2", RELEASE, { seconds: 0 }),
      /audit:prometheusUrl http:\/\/127\.0\.0\.1:1 does not answer: bad port$/,
    ));

  it("says where it looked for a token", async () => {
    const metrics = await allUp();
    const service = await edge();
    await failsWith(
      run(service.url, metrics.url, { "writer-smoke": "writes-smoke" }),
      "Vault has no token at kv/svc/vm2-tokens/reader-smoke; was the stack deployed by this version, with this audit:vaultPath?",
    );
  });
});
