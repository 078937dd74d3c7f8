import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Browser, BrowserContext, Page } from "playwright-core";
import { bundleAssets } from "../grafana/build.js";
import { auditHistory } from "./support/audit-history.js";
import { launchChromium } from "./support/chromium.js";
import { GrafanaClient, type GrafanaUnderTest, startStandIn } from "./support/grafana-under-test.js";
import { KINDS, SERVICE } from "./support/preview-dashboards.js";
import { PrometheusWithHistory } from "./support/prometheus-with-history.js";

/** The pages in a real browser, against a real Prometheus whose past is invented. AUDIT_TEST_PICTURES names a directory for screenshots. */
describe("Dashboard pages", function () {
  this.timeout(180_000);
  let prometheus: PrometheusWithHistory;
  let server: GrafanaUnderTest;
  let admin: GrafanaClient;
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const faults: string[] = [];

  before(async () => {
    const assets = await bundleAssets();
    [prometheus, server, browser] = await Promise.all([
      PrometheusWithHistory.start(auditHistory()),
      startStandIn({ GF_AUTH_ANONYMOUS_ENABLED: "false" }, assets),
      launchChromium(),
    ]);
    admin = GrafanaClient.admin(server);
    const source = {
      name: "Prometheus",
      uid: "prometheus",
      type: "prometheus",
      access: "proxy",
      url: prometheus.url,
      isDefault: true,
    };
    assert.equal((await admin.post("/api/datasources", source)).status, 200);
    assert.equal((await admin.post("/api/folders", { uid: "audit", title: "Audit things" })).status, 200);
    for (const dashboard of [SERVICE, KINDS]) {
      assert.equal((await admin.post("/api/dashboards/db", { dashboard, folderUid: "audit" })).status, 200);
    }
    context = await browser.newContext({ viewport: { width: 1400, height: 900 } });
    page = await context.newPage();
    page.on("pageerror", (error) => faults.push(error.message));
    const login = await page.request.post(`${server.url}/login`, {
      data: { user: server.user, password: server.password },
    });
    assert.equal(login.status(), 200);
  });
  afterEach(() => {
    assert.deepEqual(faults.splice(0), [], "the page's script failed");
  });
  after(async () => {
    await browser.close();
    await server.stop();
    await prometheus.stop();
  });

  const panel = (title: string) => page.locator(".panel", { has: page.locator("h3", { hasText: title }) });
  const drawn = (times = 1) =>
    page.waitForFunction((wanted) => Number(document.body.dataset.drawn ?? 0) >= wanted, times);
  async function open(path: string): Promise<void> {
    // Containers that start beside the test change the machine's networks, at which Chromium gives up what it is loading.
    await page.goto(server.url + path).catch((error: unknown) => {
      if (!String(error).includes("ERR_NETWORK_CHANGED")) throw error;
      return page.goto(server.url + path);
    });
    await drawn();
  }
  async function picture(name: string): Promise<void> {
    const directory = process.env.AUDIT_TEST_PICTURES;
    if (directory === undefined || directory === "") return;
    mkdirSync(directory, { recursive: true });
    await page.screenshot({ path: join(directory, `${name}.png`), fullPage: true });
  }
  /** How much of a panel's charts is painted: the share of their pixels that are not the background. */
  async function painted(title: string): Promise<number> {
    return panel(title)
      .locator("canvas")
      .first()
      .evaluate((canvas) => {
        const { width, height } = canvas as HTMLCanvasElement;
        const pixels =
          (canvas as HTMLCanvasElement).getContext("2d")?.getImageData(0, 0, width, height).data ??
          new Uint8ClampedArray();
        let count = 0;
        for (let index = 3; index < pixels.length; index += 4) if ((pixels[index] ?? 0) > 30) count += 1;
        return count / (width * height);
      });
  }

  it("asks for a login, says what is wrong with one, and comes back to where one was going", async () => {
    const stranger = await browser.newContext();
    const gate = await stranger.newPage();
    await gate.goto(`${server.url}/d/service`);
    assert.match(gate.url(), /\/login\?redirectTo=/);
    await gate.getByLabel("User").fill("admin");
    await gate.getByLabel("Password").fill("wrong");
    await gate.getByRole("button", { name: "Log in" }).click();
    await gate.getByText("Invalid username or password").waitFor();
    await gate.getByLabel("Password").fill(server.password);
    await gate.getByRole("button", { name: "Log in" }).click();
    await gate.waitForURL(/\/d\/service\/service$/);
    await stranger.close();
  });

  it("says on every page that it is a preview and not Grafana", async () => {
    for (const path of ["/", "/d/service", "/login"]) {
      await page.goto(server.url + path);
      await page.getByText("Preview, not Grafana.").waitFor();
    }
  });

  it("lists dashboards by folder", async () => {
    await page.goto(`${server.url}/`);
    await page.getByRole("heading", { name: "Audit things" }).waitFor();
    await picture("list");
    await page.getByRole("link", { name: /^Service/ }).click();
    await drawn();
    assert.match(page.url(), /\/d\/service\/service$/);
  });

  it("opens an address without the dashboard's name, and keeps its query", async () => {
    await open("/d/service?from=now-1h&theme=light");
    assert.match(page.url(), /\/d\/service\/service\?from=now-1h&theme=light/);
  });

  it("draws the three panels that were asked for with data from Prometheus", async () => {
    await open("/d/service/service");
    const events = await panel("Events per second").locator(".legend tbody tr").allTextContents();
    assert.deepEqual(
      events.map((row) => /^[a-z-]+/.exec(row)?.[0]),
      ["billing", "crm", "web-shop"],
    );
    assert.ok(
      events.every((row) => /\d evt\/s/.test(row)),
      `figures with their unit: ${events.join(" | ")}`,
    );
    assert.ok((await painted("Events per second")) > 0.01);

    // The shares that the invented service answers: 93 % 201, 4 % 200, the rest errors.
    const codes = await panel("Response codes").locator(".legend tbody tr").allTextContents();
    assert.deepEqual(
      codes.map((row) => row.slice(0, 3)),
      ["200", "201", "400", "401", "503"],
    );
    assert.ok((await painted("Response codes")) > 0.5, "areas that add up to 100 % fill the chart");

    const tiles = await panel("Status").locator(".tile").allTextContents();
    assert.deepEqual(tiles, ["green-1UP", "green-2UP"]);
    await picture("service-dark");
  });

  it("shows a state's spans, a gap, and what was down", async () => {
    await open("/d/service/service?from=now-1h");
    const lanes = panel("Over time").locator(".lane");
    assert.equal(await lanes.count(), 3);
    const states = await lanes
      .nth(2)
      .locator(".state")
      .evaluateAll((list) => list.map((state) => (state as HTMLElement).title.split("\n")[0]));
    assert.deepEqual(states, ["green-2: UP", "green-2: DOWN", "green-2: UP"]);
  });

  it("tells figures under the cursor and zooms into what is marked", async () => {
    await open("/d/service/service");
    const chart = panel("Events per second").locator(".u-over");
    const box = await chart.boundingBox();
    assert.ok(box !== null);
    await page.mouse.move(box.x + box.width * 0.5, box.y + box.height * 0.5);
    await page.locator(".tooltip:not([hidden])").getByText("billing").waitFor();
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + box.height * 0.5, { steps: 5 });
    await page.mouse.up();
    await page.waitForURL(/from=\d+/);
    await drawn(2);
    const url = new URL(page.url());
    const length = Number(url.searchParams.get("to")) - Number(url.searchParams.get("from"));
    assert.ok(Math.abs(length - 15 * 60_000) < 60_000, `a quarter of an hour was marked, not ${length} ms`);
  });

  it("narrows to what a variable says, and keeps it in the address", async () => {
    await open("/d/service/service");
    await page.locator("summary[aria-label=Instance]").click();
    await page.locator(".several .menu label", { hasText: "green-2" }).click();
    await page.keyboard.press("Escape");
    await page.waitForURL(/var-replica=green-2/);
    await drawn(2);
    assert.deepEqual(await panel("Status").locator(".tile").allTextContents(), ["UP"]);
    await page.reload();
    await drawn();
    assert.deepEqual(await panel("Status").locator(".tile").allTextContents(), ["UP"], "also after a reload");
  });

  it("hides all series but the one that is clicked in the legend, and shows all at the second click", async () => {
    await open("/d/service/service");
    const legend = panel("Events per second").locator(".legend");
    await legend.getByText("crm").click();
    assert.equal(await legend.locator(".series.off").count(), 2);
    await legend.getByText("crm").click();
    assert.equal(await legend.locator(".series.off").count(), 0);
  });

  it("changes between dark and light and remembers it", async () => {
    await open("/d/service/service");
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const before = await background();
    await page.getByLabel("Light or dark").click();
    assert.notEqual(await background(), before);
    await page.reload();
    await drawn();
    assert.notEqual(await background(), before);
    await picture("service-light");
    await page.getByLabel("Light or dark").click();
  });

  it("asks anew by itself", async () => {
    await page.goto(`${server.url}/d/service/service?refresh=1s`);
    await drawn(3);
  });

  it("marks releases on the charts", async () => {
    await open("/d/service/service?from=now-1h");
    const mark = panel("Events per second").locator(".mark");
    assert.match((await mark.first().getAttribute("title")) ?? "", /^Release 1\.5\.0/);
  });

  it("draws each kind of panel, and is honest about what it cannot draw", async () => {
    await open("/d/kinds/kinds");
    await picture("kinds");
    assert.equal(await panel("Gauge").locator(".gauge").count(), 2);
    assert.equal(await panel("Bars").locator(".bar-row").count(), 3);
    assert.deepEqual((await panel("Table").locator("th").allTextContents()).slice(0, 2), ["Sender", "replica"]);
    assert.equal(await panel("Table").locator("tbody tr").count(), 6);
    assert.ok((await painted("Heat")) > 0.2);
    assert.ok((await painted("Percent")) > 0.5);
    assert.equal(await page.locator(".text-panel strong").textContent(), "Note");
    assert.equal(await page.locator(".text-panel script, .text-panel [onerror]").count(), 0);
    await page.getByRole("heading", { name: "Repeated for billing" }).waitFor();

    assert.match(
      (await panel("Broken query").locator(".error").textContent()) ?? "",
      /parse error: unclosed left parenthesis/,
    );
    assert.match((await panel("Pie").locator(".empty").textContent()) ?? "", /cannot draw panels of type "piechart"/);
    assert.match((await panel("No source").locator(".error").textContent()) ?? "", /There is no data source "nowhere"/);
    assert.match(
      (await panel("Calculated").locator(".trouble").textContent()) ?? "",
      /does not apply the transformation "calculateField"/,
    );
    assert.equal(await panel("Empty").locator(".empty").textContent(), "nothing here");
    const variable = page.locator(".variable.broken");
    assert.match((await variable.textContent()) ?? "", /does not know the variable query/);
  });

  it("shows Prometheus's absence in every panel and recovers from it", async () => {
    const source = { name: "Prometheus", uid: "prometheus", type: "prometheus", access: "proxy", isDefault: true };
    await admin.put("/api/datasources/uid/prometheus", { ...source, url: "http://127.0.0.1:9" });
    await open("/d/service/service?var-replica=green-1");
    assert.match(
      (await panel("Events per second").locator(".error").textContent()) ?? "",
      /"Prometheus" does not answer: .*/,
    );
    await admin.put("/api/datasources/uid/prometheus", { ...source, url: prometheus.url });
    await page.getByLabel("Refresh now").click();
    await drawn(2);
    assert.equal(await panel("Events per second").locator(".error").count(), 0);
    assert.ok((await painted("Events per second")) > 0.01);
  });

  it("can be read on a telephone", async () => {
    await page.setViewportSize({ width: 390, height: 800 });
    await open("/d/service/service");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(overflow <= 0, `the page is ${overflow} pixels too wide`);
    await picture("service-narrow");
    await page.setViewportSize({ width: 1400, height: 900 });
  });

  it("lets anybody look where anonymous viewers are allowed", async () => {
    const openServer = await startStandIn({ GF_AUTH_ANONYMOUS_ENABLED: "true" }, await bundleAssets());
    try {
      const visitor = await browser.newContext();
      const other = await visitor.newPage();
      await GrafanaClient.admin(openServer).post("/api/dashboards/db", { dashboard: { uid: "d", title: "Open" } });
      await other.goto(`${openServer.url}/d/d`);
      await other.getByText("This dashboard has no panels.").waitFor();
      assert.equal((await GrafanaClient.nobody(openServer).post("/api/folders", { title: "no" })).status, 403);
      await visitor.close();
    } finally {
      await openServer.stop();
    }
  });
});
