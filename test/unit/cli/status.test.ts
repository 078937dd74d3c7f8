import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Asked } from "../../../cli/status/asked";
import { definePart, ok } from "../../../cli/status/part";
import { drawScreen, lookAt } from "../../../cli/status/screen";
import { showStatus } from "../../../cli/status/show";
import { styleFor } from "../../../cli/output";
import type { World } from "../../../cli/world";
import { contextWith, described, HISTORY, OUTPUTS, pulumiWith } from "./context";

const NOW = new Date("2026-11-30T12:00:00Z");
const seconds = (time: string): number => Date.parse(time) / 1000;
const replica = (name: string, more: object = {}) => ({ environment: "vm2", replica: name, ...more });

/** Answers to queries, by a part of the query. */
const SERIES: Record<string, [object, number][]> = {
  audit_config_digest_info: [[replica("green-1", { digest: "d".repeat(64) }), 1], [replica("green-2", { digest: "d".repeat(64) }), 1]],
  audit_config_generation: [[replica("green-1"), 3], [replica("green-2"), 3]],
  audit_config_last_reload: [[replica("green-1"), seconds("2026-11-30T11:57:00Z")], [replica("green-2"), seconds("2026-11-30T11:55:00Z")]],
  secret_id_expiry: [[{ job: "audit-agent" }, seconds("2026-12-29T12:00:00Z")], [{ job: "audit-certificate-agent" }, seconds("2026-12-03T12:00:00Z")]],
  token_expiry: [[{ job: "audit-agent" }, seconds("2026-11-30T12:50:00Z")]],
  partitions_end: [[{}, seconds("2027-02-28T00:00:00Z")]],
  'code=~"5.."': [[{}, 0]],
  "sum(rate(http_requests_total": [[{}, 12.34]],
  histogram_quantile: [[{}, 0.012]],
  queue_depth: [[{}, 0]],
  eventloop: [[{}, 0.02]],
  log_lag: [],
  "sum by (exported_application)": [[{ exported_application: "billing" }, 12], [{ exported_application: "audit-svc" }, 0]],
  "max by (exported_application)": [[{ exported_application: "billing" }, seconds("2026-11-30T11:59:30Z")]],
}; // prettier-ignore

const prometheus = (series = SERIES) => ({
  query: async (expr: string) => {
    assert.ok(!expr.includes("$of"), expr);
    const found = Object.entries(series).find(([part]) => expr.includes(part));
    assert.ok(found, `no answer for ${expr}`);
    return found[1].map(([labels, value]) => ({ labels, value }));
  },
  activeTargets: async () => ({
    targets: [
      { labels: { environment: "vm2", job: "audit-svc", instance: "vm2:9145/green-1" }, health: "up", lastError: "" },
      { labels: { environment: "vm2", job: "nginx", instance: "vm2:9145" }, health: "up", lastError: "" },
      { labels: { environment: "other", job: "nginx", instance: "x" }, health: "down", lastError: "refused" },
    ],
    now: NOW.getTime(),
  }),
  activeAlerts: async () => [
    { labels: { environment: "other", alertname: "X" }, annotations: {}, state: "firing", activeAt: "" },
  ],
});

const vaultWith = (sealed = false) => ({
  request: async (_: string, path: string) =>
    path === "sys/seal-status"
      ? { sealed }
      : { data: { current_version: 7, updated_time: "2026-11-30T11:55:00Z", path } },
});

describe("audit status", () => {
  let server: Server;
  let status = 200;
  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  before(async () => {
    server = createServer((_, response) => response.writeHead(status).end("{}"));
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  });
  beforeEach(() => (status = 200));
  after(() => server.close());

  const worldWith = (change: object = {}, values: object = {}) => ({
    ...{ stack: "vm2", pulumi: pulumiWith({ "stack history": HISTORY }).pulumi },
    values: {
      ...{ environment: "vm2", serviceUrl: url(), vaultMount: "secret", vaultPath: "audit-svc/vm2" },
      ...{ alerts: "prometheus", kubeNamespace: "audit", ...values },
    },
    ...{ outputs: async () => OUTPUTS, onHost: async () => described() },
    ...{ prometheus: () => prometheus(), vault: () => vaultWith(), ...change },
  });
  const look = async (world: object) => {
    const seen = await lookAt(new Asked(world as World));
    return drawScreen(seen, "vm2", NOW, styleFor(false));
  };
  /** The lines of one part. */
  const part = (text: string, title: string) => {
    const lines = text.split("\n");
    const from = lines.findIndex((line) => line.startsWith(title));
    const length = lines.slice(from + 1).findIndex((line) => !line.startsWith("   "));
    return lines.slice(from, length < 0 ? undefined : from + 1 + length).map((line) => line.slice(12));
  };

  it("shows everything on one screen", async () => {
    const { text, level } = await look(worldWith());
    assert.equal(level, "warning");
    assert.equal(
      text.replace(/in \d+ ms$/m, "in … ms").replace(url(), "URL"),
      `stack vm2  2026-11-30 12:00:00 UTC  look at the warnings

release     ✔ bbbbbbbbbbbb (sha256:bbbbbbbbbbbb) in slot green, 2 replicas; aaaaaaaaaaaa is kept in slot blue
            ✔ 10 min ago, 2026-11-30 11:50:00 UTC: deploy v1.2.0 by alice (commit 0123456)
service     ✔ URL answers 200 in … ms
containers  ✔ audit-edge-exporter  running 8 min
            ✔ audit-edge-nginx     running 8 min
            ✔ audit-svc-agent      running 8 min, healthy
            ✔ audit-svc-blue-1     exited 8 min ago, exit code 143, release aaaaaaaaaaaa, idle
            ✔ audit-svc-green-1    running 8 min, release bbbbbbbbbbbb
            ✔ audit-svc-green-2    running 8 min, release bbbbbbbbbbbb
drift       ✔ none in containers, images and the active slot; the job drift compares everything
config      ✔ dddddddddddd, generation 3, in 2 of 2 replicas, since 3 min ago
vault       ✔ unsealed; secret/audit-svc/vm2 is at version 7, written 5 min ago
ends        ✔ the secret_id ends in 29 d; the token in Vault ends in 50 min; the last partition ends in 89 d
            ! the secret_id (certificate's agent) ends in 3 d
traffic     ✔ 12.3 requests/s, 0 % errors in 5 min, p99 12 ms, queue 0, event loop lag 20 ms
events      ✔ audit-svc: 0.0/s, none in 6 h
            ✔ billing: 12.0/s, last 30 s ago
targets     ✔ 2 of 2 up
alerts      ✔ none fire`,
    );
  });

  it("gives programs all of it, each part with its level, and no secret of the history", async () => {
    const { value } = await look(worldWith());
    const { release, drift, level } = value as Record<string, { level: string; deployed?: { by?: string } }>;
    assert.equal(level, "warning");
    assert.equal(release?.deployed?.by, "alice");
    assert.deepEqual(drift, { level: "ok", differences: [], checked: "containers, images and the active slot" });
    assert.doesNotMatch(JSON.stringify(value), /hunter2/);
  });

  const away = (what: string) => () => Promise.reject(new Error(`${what} is away`));
  for (const [what, change, failing] of [
    ["the VM", { onHost: away("ssh") }, ["containers", "drift"]],
    ["the state", { outputs: away("state"), pulumi: away("state") }, ["release", "drift"]],
    [
      "Prometheus",
      { prometheus: () => ({ query: away("P"), activeTargets: away("P"), activeAlerts: away("P") }) },
      ["config", "ends", "traffic", "events", "targets", "alerts"],
    ],
    ["Vault", { vault: () => ({ request: away("Vault") }) }, ["vault"]],
  ] as const)
    // prettier-ignore
    it(`shows the rest when ${what} does not answer, and ends with 1`, async () => {
      const { text, level } = await look(worldWith(change));
      assert.equal(level, "bad");
      assert.deepEqual(
        [...text.matchAll(/^(\w+) +✘ cannot look: .* is away$/gm)].map(([, title]) => title),
        failing,
      );
      const { context } = contextWith(worldWith(change));
      assert.equal(await showStatus(context), 1);
    });

  it("does not wait for a part that never answers", async () => {
    const slow = definePart({ title: "slow", look: () => new Promise<object>(() => undefined), lines: () => [] });
    const quick = definePart({ title: "quick", look: async () => ({}), lines: () => [ok("here")] });
    const seen = await lookAt(new Asked({} as World), [slow, quick], 20);
    assert.match(drawScreen(seen, "vm2", NOW, styleFor(false)).text, /slow .* no answer within 0.02 s\nquick .* here/);
  });

  it("says what to do before the first deploy", async () => {
    const world = worldWith({ outputs: async () => ({}), pulumi: pulumiWith({ "stack history": [] }).pulumi, onHost: async () => "" }); // prettier-ignore
    assert.deepEqual(part((await look(world)).text, "release"), ["✘ nothing has been deployed yet: `pulumi up`, or a tag"]); // prettier-ignore
  });

  it("tells of a deploy that failed since, and of one that runs", async () => {
    for (const [result, words] of [["failed", "update failed since"], ["in-progress", "update runs since"]] as const) {
      const history = [{ ...HISTORY[1], result, version: 3, startTime: "2026-11-30T11:59:00Z" }, ...HISTORY];
      const world = worldWith({ pulumi: pulumiWith({ "stack history": history }).pulumi });
      assert.equal(part((await look(world)).text, "release")[2], `! ${words} 1 min ago: Try another memory`);
    } // prettier-ignore
  });

  it("marks a service that refuses, a sealed Vault, targets that are down, errors, and alerts that fire", async () => {
    status = 503;
    const bad = {
      ...prometheus({ ...SERIES, 'code=~"5.."': [[{}, 0.25]], log_lag: [[{}, 3]] }),
      activeTargets: async () => ({
        targets: [
          { labels: { environment: "vm2", job: "nginx", instance: "i" }, health: "down", lastError: "refused" },
        ],
      }),
      activeAlerts: async () =>
        ["firing", "pending"].map((state) => ({
          labels: { environment: "vm2", alertname: `Audit_${state}`, severity: "critical" },
          ...{ annotations: { summary: "It is so" }, state, activeAt: "2026-11-30T11:58:00Z" },
        })),
    };
    const { text } = await look(worldWith({ prometheus: () => bad, vault: () => vaultWith(true) }));
    assert.match(part(text, "service")[0] ?? "", /^✘ .* answers 503/);
    assert.match(part(text, "vault")[0] ?? "", /^✘ sealed/);
    assert.match(part(text, "traffic")[0] ?? "", /^✘ .* 25 % errors .* log lag 3 s$/);
    assert.deepEqual(part(text, "targets"), [
      "! 0 of 1 up",
      "✘ nginx i is down: refused",
      "✘ no target with the job audit-svc: docs/runbook.md, AuditServiceNotScraped",
    ]);
    assert.deepEqual(part(text, "alerts"), [
      "✘ Audit_firing (critical) fires since 2 min ago: It is so",
      "! Audit_pending (critical) is pending since 2 min ago",
    ]);
  });

  it("asks Grafana for the alerts where it evaluates them", async () => {
    const alerts = ["Alerting", "Normal"].map((state) => ({
      ...{ labels: { environment: "vm2", alertname: state, severity: "warning" }, annotations: {} },
      ...{ state, activeAt: "2026-11-30T11:00:00Z" },
    }));
    const answer = (response: Response) => look(worldWith({ grafana: async () => response }, { alerts: "grafana" }));
    const { text } = await answer(Response.json({ data: { alerts } }));
    assert.deepEqual(part(text, "alerts"), ["✘ Alerting (warning) fires since 1 h ago: "]);
    assert.match((await answer(new Response("", { status: 401 }))).text, /alerts .* answers 401 .* GRAFANA_AUTH/);
  });

  it("warns while replicas work with different configurations", async () => {
    const digests: [object, number][] = ["c", "d"].map((letter, at) => [replica(`green-${at + 1}`, { digest: letter.repeat(64) }), 1]); // prettier-ignore
    const { text } = await look(worldWith({ prometheus: () => prometheus({ ...SERIES, audit_config_digest_info: digests }) })); // prettier-ignore
    assert.equal(part(text, "config").length, 2);
    assert.match(part(text, "config")[0] ?? "", /^! cccccccccccc, generation 3, in 1 of 2 replicas/);
  });

  it("asks kubectl and no VM of a stack on a cluster", async () => {
    const pod = (
      workload: string,
      id: string,
      { release, ready = true, restartCount = 0 }: { release?: string; ready?: boolean; restartCount?: number } = {},
    ) => {
      const labels = {
        "app.kubernetes.io/name": workload,
        ...(release === undefined ? {} : { "audit/release": release }),
      };
      const startTime = new Date(NOW.getTime() - 300_000).toISOString();
      const conditions = [{ type: "Ready", status: ready ? "True" : "False" }];
      return {
        metadata: { name: `${workload}-${id}`, labels },
        spec: { nodeName: "node2" },
        status: { phase: "Running", startTime, conditions, containerStatuses: [{ restartCount: 0 }, { restartCount }] },
      };
    };
    const directory = mkdtempSync(join(tmpdir(), "status-"));
    const formerly = process.env.PATH;
    try {
      const old = pod("audit-svc", "old");
      const items = [
        pod("audit-edge", "1"),
        pod("audit-edge", "2", { restartCount: 3 }),
        pod("audit-svc", "1", { release: "0".repeat(12), ready: false }),
        { metadata: pod("audit-svc", "new").metadata, status: { phase: "Pending" } },
        { ...old, metadata: { ...old.metadata, deletionTimestamp: "now" } },
      ];
      const kubectl = `#!/bin/sh\ncat << 'EOF'\n${JSON.stringify({ items })}\nEOF\n`;
      writeFileSync(join(directory, "kubectl"), kubectl, { mode: 0o755 });
      process.env.PATH = `${directory}:${formerly ?? ""}`;
      const { text } = await look(
        worldWith({ onHost: away("ssh") }, { platform: "kubernetes", edgeService: "nodePort" }),
      );
      assert.match(part(text, "release").join("\n"), /^✔ \S+ \(\S+\), 2 replicas/);
      assert.deepEqual(part(text, "containers"), [
        "✔ audit-edge-1   running 5 min, on node2, ready",
        "! audit-edge-2   running 5 min, on node2, ready, restarted 3 times",
        "! audit-svc-1    running 5 min, on node2, release 000000000000, not ready",
        "! audit-svc-new  pending",
        "✔ audit-svc-old  terminating 5 min, on node2",
        "! two pods of Nginx are on node2; if another node has none, its ports are dead: kubectl delete pod audit-edge-2",
      ]);
      assert.match(part(text, "drift").join("\n"), /^✘ 1 replicas run, .*\n✘ audit-svc-1 runs release 0{12}, not /);
      assert.doesNotMatch(text, /cannot look/);
    } finally {
      process.env.PATH = formerly;
      rmSync(directory, { recursive: true });
    }
  });

  it("with --watch looks again until Ctrl-C, and leaves the last screen", async () => {
    let looks = 0;
    const world = worldWith({ onHost: async () => ((looks += 1), described()) });
    const { context, printed, interrupts } = contextWith(world, { terminal: true });
    const done = showStatus(context, 0.05);
    while (looks < 2) await sleep(20);
    interrupts.interrupt();
    assert.equal(await done, 130);
    const screens = printed.out.split("\u001b[H");
    assert.ok(printed.out.startsWith("\u001b[?1049h\u001b[?25l\u001b[H"));
    assert.ok(screens.length >= 3);
    for (const line of (screens[1] ?? "").split("\n")) assert.ok(line.replace(/\u001b\[\??\d*\w/g, "").length <= 80); // eslint-disable-line no-control-regex
    const [, left = ""] = printed.out.split("\u001b[?25h\u001b[?1049l");
    assert.match(left, /^stack vm2 [^]*alerts .* none fire\n$/);
  });

  it("leaves the last screen also when Ctrl-C breaks off what a look has run", async () => {
    let looks = 0;
    const onHost = async () => {
      looks += 1;
      if (looks === 1) return described();
      interrupts.interrupt();
      throw new Error("exit code 130");
    };
    const { context, printed, interrupts } = contextWith(worldWith({ onHost }), { terminal: true });
    // Longer than what one look asks is kept.
    assert.equal(await showStatus(context, 1.1), 130);
    assert.equal(looks, 2);
    assert.doesNotMatch(printed.out, /cannot look/);
  }).timeout(10_000);

  it("with --watch --json gives a line for each look", async () => {
    const { context, printed, interrupts } = contextWith(worldWith(), { json: true, terminal: true });
    const done = showStatus(context, 0.05);
    while (printed.out.split("\n").length < 3) await sleep(20);
    interrupts.interrupt();
    await done;
    for (const line of printed.out.trim().split("\n")) assert.equal((JSON.parse(line) as { stack: string }).stack, "vm2"); // prettier-ignore
  });
});
