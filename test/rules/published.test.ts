import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import {
  PUBLISHED_DASHBOARD,
  dashboardQueries,
  nginxDashboard,
  serviceDashboard,
  withVariables,
} from "../../dashboards";
import { canonicalDashboard } from "../../dashboards/canonical";
import { assertKnownSeries } from "../unit/dashboards/expect";
import { schemaErrors } from "../unit/dashboards/schema";

interface Dashboard {
  uid: string;
  title: string;
  panels: { type: string; title: string; targets?: { expr: string }[] }[];
}

/** Panel types that Grafana replaces when it opens a dashboard; its present schema does not know them. */
const REPLACED_TYPES = ["graph", "singlestat"];

describe("the published dashboard of the nginx exporter, as it is fetched", function () {
  this.timeout(120_000);

  let cache: string;
  let source: string;
  let adapted: string;

  before(async () => {
    cache = await mkdtemp(join(tmpdir(), "published-"));
    const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", "dashboards/fetch.ts", cache]);
    assert.equal(stdout, `${join(cache, `nginx-dashboard-${PUBLISHED_DASHBOARD.sha256.slice(0, 16)}.json`)}\n`);
    source = await readFile(stdout.trim(), "utf8");
    adapted = nginxDashboard(source, { datasource: { uid: "prometheus" } });
  });

  after(async () => {
    await rm(cache, { recursive: true });
  });

  it("keeps every panel and every query", () => {
    const panels = (text: string) =>
      (JSON.parse(text) as Dashboard).panels.map(({ title, type, targets = [] }) => [
        title,
        type,
        targets.map(({ expr }) => expr),
      ]);
    assert.ok(panels(source).length >= 6);
    assert.deepEqual(panels(adapted), panels(source));
  });

  it("asks only for series that the exporter exposes", () => {
    const queries = dashboardQueries(adapted);
    assert.ok(queries.length >= 8);
    for (const { expr } of queries) assertKnownSeries(withVariables(expr));
  });

  it("is canonical, so that a second run shows no difference", () => {
    assert.equal(canonicalDashboard(JSON.parse(adapted) as object), adapted);
  });

  it("fits the schema types of Grafana but for the panels that Grafana replaces", () => {
    const dashboard = JSON.parse(adapted) as Dashboard;
    const panels = dashboard.panels.filter(({ type }) => !REPLACED_TYPES.includes(type));
    assert.deepEqual(schemaErrors(JSON.stringify({ ...dashboard, panels })), []);
  });

  it("has a uid and a title other than the service's dashboard", () => {
    const service = JSON.parse(serviceDashboard({ datasource: { uid: "prometheus" } })) as Dashboard;
    const edge = JSON.parse(adapted) as Dashboard;
    assert.notEqual(edge.uid, service.uid);
    assert.notEqual(edge.title, service.title);
  });
});
