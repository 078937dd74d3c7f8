import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { dashboardQueries, withVariables } from "../../dashboards";
import { SENDER_LABEL } from "../../dashboards/metrics";
import { parsePromql } from "../unit/dashboards/promql";
import { attached, run, until, type Ran } from "./support/sandbox";

const path = "secret/data/audit-svc/sandbox";

/** What `generate` sends, events per second. */
const RATES = { billing: 20, crm: 10, orders: 5 };
/** Requests per second with a token that nobody has: each is answered 401. */
const REFUSED = 5;
const ALL = Object.values(RATES).reduce((sum, rate) => sum + rate, REFUSED);

/** The window of rates, the time until they are steady, which is a window and some scrapes, and the load's duration. */
const WINDOW = "30s";
const STEADY_SECONDS = 45;
const SENDING_SECONDS = 60;

interface Sample {
  metric: Record<string, string>;
  value: [number, string];
}

describe("scenario: dashboards show correct values", function () {
  this.timeout(300_000);
  const sandbox = attached();
  const directory = mkdtempSync(join(tmpdir(), "dashboards-"));
  let original: object | undefined;
  let sending: Promise<Ran>[] = [];
  /** The dashboards as Grafana has them. */
  let service = "";
  let nginx = "";

  before("sends a known mix of events", async () => {
    const found = await sandbox().vault<{ data: { data: { tokens: object[] } } }>("GET", path);
    assert.ok(found, "the program wrote no secret");
    original = found.data.data;
    const token = randomBytes(24).toString("hex");
    const sha256 = createHash("sha256").update(token).digest("hex");
    const tokens = [...found.data.data.tokens, { name: "e2e-mix", sha256, role: "writer" }];
    await sandbox().vault("POST", path, { data: { ...original, tokens } });
    await until("each replica knows the token", 60, async () => {
      for (let i = 0; i < 10; i++) {
        // Refused for its content, not for its token.
        const { status } = await sandbox().edge("/v1/events", { method: "POST", token, body: "{}" });
        if (status !== 400) return undefined;
      }
      return true;
    });
    sending = [
      ...Object.entries(RATES).map(([application, rate]) => generate(application, token, rate)),
      generate("stranger", "nobodys", REFUSED),
    ];
    await witnessLog();
    [service, nginx] = await Promise.all([dashboard("audit-svc-sandbox"), dashboard("audit-nginx-sandbox")]);
  });

  after(async () => {
    await Promise.allSettled(sending);
    rmSync(directory, { recursive: true });
    if (original) await sandbox().vault("POST", path, { data: original });
  });

  /** Reports a checkpoint as a witness does, so that the log's row has all its figures. */
  async function witnessLog(): Promise<void> {
    const token = sandbox().get("AUDIT_READ_TOKEN");
    const { body } = await sandbox().edge("/log/checkpoint", { token });
    const { status } = await sandbox().edge("/log/witnessed", { method: "POST", token, body });
    assert.equal(status, 204);
  }

  /** The service's own `generate`, for one application. */
  function generate(application: string, token: string, rate: number): Promise<Ran> {
    const file = join(directory, application);
    writeFileSync(file, `${application} ${token}\n`, { mode: 0o600 });
    const options = ["--url", sandbox().get("AUDIT_URL"), "--token-file", file, "--rate", String(rate)];
    return run([
      ...[process.execPath, "--import", "tsx", "audit-svc/src/main.ts", "generate"],
      ...[...options, "--duration", String(SENDING_SECONDS), "--quiet"],
    ]);
  }

  async function dashboard(uid: string): Promise<string> {
    const found = await sandbox().grafana<{ dashboard: object }>("GET", `dashboards/uid/${uid}`);
    assert.ok(found, uid);
    return JSON.stringify(found.dashboard);
  }

  async function ask<T>(api: string): Promise<T> {
    const response = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/${api}`, {
      signal: AbortSignal.timeout(20_000),
    });
    const text = await response.text();
    assert.equal(response.status, 200, `${api}: ${text}`);
    return (JSON.parse(text) as { data: T }).data;
  }

  const query = async (expr: string): Promise<Sample[]> => {
    const sent = withVariables(expr, WINDOW, { environment: "sandbox" });
    return (await ask<{ result: Sample[] }>(`query?query=${encodeURIComponent(sent)}`)).result;
  };

  const panel = (title: string): string => {
    const found = dashboardQueries(service).find(({ place }) => place === title);
    assert.ok(found, `the dashboard in Grafana has no panel ${title}`);
    return found.expr;
  };

  /** Asserts that each label has the value that is expected, to 5 %. */
  async function close(title: string, label: string, expected: Record<string, number>): Promise<void> {
    await until(`${title} is true`, STEADY_SECONDS, async () => {
      const values = new Map((await query(panel(title))).map(({ metric, value }) => [metric[label], Number(value[1])]));
      for (const [name, wanted] of Object.entries(expected)) {
        const shown = values.get(name) ?? 0;
        if (Math.abs(shown - wanted) > wanted * 0.05)
          throw new Error(`${label} ${name}: ${shown} is shown, ${wanted} is true`);
      }
      return true;
    });
  }

  it("shows the events per second of each application", async () => {
    await close("Events per second by application", SENDER_LABEL, RATES);
  });

  it("shows the share of each response code, adding up to 100 %", async () => {
    await close("Share of response codes", "code", {
      "201": (100 * (ALL - REFUSED)) / ALL,
      "401": (100 * REFUSED) / ALL,
    });
    const all = (await query(panel("Share of response codes"))).reduce((sum, { value }) => sum + Number(value[1]), 0);
    assert.ok(Math.abs(all - 100) < 0.01, `they add up to ${all} %`);
  });

  it("shows each replica as up", async () => {
    const shown = await query(panel("Status"));
    assert.ok(shown.length > 0);
    for (const { metric, value } of shown) assert.equal(value[1], "1", metric.replica);
  });

  it("gets data for every query of every panel, annotation and variable", async () => {
    const empty: string[] = [];
    for (const { place, kind, expr } of [...dashboardQueries(service), ...dashboardQueries(nginx)])
      if ((await query(expr)).length === 0) empty.push(`${kind} ${place}: ${expr}`);
    assert.deepEqual(empty, []);
  });

  it("names only metrics that are exposed, in dashboards and alerts", async () => {
    const exposed = new Set(await ask<string[]>("label/__name__/values"));
    const { groups } = await ask<{ groups: { rules: { query: string }[] }[] }>("rules?type=alert");
    const alerts = groups.flatMap(({ rules }) => rules.map((rule) => rule.query));
    assert.ok(alerts.length > 0, "Prometheus has no alerts");
    const queries = [...dashboardQueries(service), ...dashboardQueries(nginx)].map(({ expr }) => withVariables(expr));
    const named = new Set([...queries, ...alerts].flatMap((expr) => parsePromql(expr).series));
    assert.deepEqual(
      [...named].filter((name) => !exposed.has(name)),
      [],
    );
  });

  describe("in a browser", () => {
    let browser: Browser;
    let page: Page;
    before(async function () {
      // It may have to be installed first.
      this.timeout(180_000);
      const { launchChromium } = await import("../../offline/testing.js");
      browser = await launchChromium();
    });
    after(() => browser.close());

    /** The dashboard as a visitor finds it, the last five minutes of it. `make dashboards` keeps the pictures. */
    async function open(output: string, theme: "dark" | "light"): Promise<void> {
      const { url } = await fetch((await sandbox().mustPulumi("stack", "output", output)).trim());
      page = await browser.newPage({ viewport: { width: 1400, height: 900 } });
      const address = `${url}?kiosk&theme=${theme}&from=now-5m&to=now`;
      // Containers that start meanwhile change the machine's networks, and Chromium then aborts loading.
      await page.goto(address).catch(() => page.goto(address));
      await page.locator("body[data-drawn]").waitFor();
      const pictures = process.env.AUDIT_TEST_PICTURES ?? "";
      if (pictures === "") return;
      mkdirSync(pictures, { recursive: true });
      const name = output.replace(/Url$/, "").replace("dashboard", "service");
      await page.screenshot({ path: join(pictures, `${name}-${theme}.png`), fullPage: output !== "dashboardUrl" });
    }
    const panelOf = (title: string) => page.locator(".panel", { has: page.locator("h3", { hasText: title }) });

    it("shows the three required panels, with the data of this sandbox", async () => {
      await open("dashboardUrl", "dark");
      const senders = await panelOf("Events per second by application").locator(".legend tbody tr").allTextContents();
      for (const name of Object.keys(RATES))
        assert.ok(
          senders.some((row) => row.startsWith(name) && /\d evt\/s/.test(row)),
          `no line for ${name}: ${senders.join(" | ")}`,
        );
      const codes = await panelOf("Share of response codes").locator(".legend tbody tr").allTextContents();
      assert.deepEqual(
        codes.map((row) => row.slice(0, 3)).filter((code) => code === "201" || code === "401"),
        ["201", "401"],
      );
      const tiles = await page
        .locator(".panel", { has: page.locator("h3", { hasText: /^Status$/ }) })
        .locator(".tile")
        .allTextContents();
      assert.ok(tiles.length > 0 && tiles.every((tile) => tile.endsWith("UP")), tiles.join(" | "));
      assert.deepEqual(await page.locator(".panel .error").allTextContents(), []);
    });

    it("draws every panel of both dashboards, dark and light", async () => {
      const troubles = async () =>
        (await page.locator(".panel .error, .panel .trouble").allTextContents()).filter((text) => text !== "");
      await open("dashboardUrl", "light");
      assert.deepEqual(await troubles(), []);
      for (const theme of ["dark", "light"] as const) {
        await open("nginxDashboardUrl", theme);
        assert.deepEqual(await troubles(), []);
      }
    });
  });

  it("had every known event accepted meanwhile, and every stranger refused", async () => {
    const [stranger, ...known] = (await Promise.all(sending)).reverse();
    for (const { code, output } of known) assert.equal(code, 0, output);
    assert.equal(stranger?.code, 1, stranger?.output);
    assert.match(stranger.output, /"acked":0,/);
  });
});
