import assert from "node:assert/strict";

import { stringify } from "yaml";

import { dashboardQueries, serviceDashboard, withVariables } from "../../dashboards";
import { promtool } from "./promtool";
import { type Sample, play, replica } from "./scenario";

const queries = dashboardQueries(serviceDashboard({ datasource: { uid: "prometheus" }, log: true }));

/** The panel's first query as Grafana would send it. */
function query(title: string): string {
  const found = queries.find(({ place }) => place === title);
  assert.ok(found, `no panel ${title}`);
  return withVariables(found.expr);
}

const first = replica("blue-1");
const second = replica("blue-2");
const store = 'method="POST",route="/v1/events"';
const sample = (labels: string, value: number): Sample => ({ labels, value });

describe("the service's dashboard in Prometheus", function () {
  this.timeout(60_000);

  it("asks what Prometheus can parse", async () => {
    const rules = queries.map(({ expr }, index) => ({ record: `query:${index}`, expr: withVariables(expr) }));
    const output = await promtool(["check", "rules", "rules.yml"], {
      "rules.yml": stringify({ groups: [{ name: "queries", rules }] }),
    });
    assert.match(output, new RegExp(`SUCCESS: ${rules.length} rules found`));
  });

  it("shows the events of each application, over all replicas and without a dip when one restarts", async () => {
    const events = (of: string, application: string) =>
      `audit_events_total{${of},exported_application="${application}"}`;
    const expr = query("Events per second by application");
    await play(
      "",
      {
        [events(first, "billing")]: "0+50x60",
        // Restarts after 100 s: the counter starts again at zero, with the same rate.
        [events(second, "billing")]: "0+25x20 0+25x40",
        [events(second, "crm")]: "0+5x60",
        [events(second, "idle")]: "7x60",
      },
      [
        {
          expr,
          at: "1m40s",
          samples: [
            sample('{exported_application="billing"}', 15),
            sample('{exported_application="crm"}', 1),
            sample('{exported_application="idle"}', 0),
          ],
        },
        // In the minute around the restart only one step of twelve is lost.
        { expr: `count((${expr} > 14) < 15)`, at: "2m", samples: [sample("{}", 1)] },
      ],
    );
  });

  it("shows which share of the answers to clients had which code", async () => {
    await play(
      "",
      {
        [`http_requests_total{${first},${store},code="201"}`]: "0+100x60",
        [`http_requests_total{${second},${store},code="201"}`]: "0+80x60",
        [`http_requests_total{${second},${store},code="400"}`]: "0+15x60",
        [`http_requests_total{${first},method="GET",route="unmatched",code="404"}`]: "0+5x60",
        // Probes and scrapes are numerous and always succeed; they must not count.
        [`http_requests_total{${first},method="GET",route="/readyz",code="200"}`]: "0+900x60",
        [`http_requests_total{${first},method="GET",route="/metrics",code="200"}`]: "0+900x60",
      },
      [
        {
          expr: query("Share of response codes"),
          at: "2m",
          samples: [sample('{code="201"}', 90), sample('{code="400"}', 7.5), sample('{code="404"}', 2.5)],
        },
        { expr: `sum(${query("Share of response codes")})`, at: "4m", samples: [sample("{}", 100)] },
      ],
    );
  });

  it("shows no shares while nothing is asked", async () => {
    const counters = { [`http_requests_total{${first},${store},code="201"}`]: "1000x60" };
    await play("", counters, [{ expr: query("Share of response codes"), at: "2m", samples: [] }]);
  });

  it("shows the state of each replica and since when it is in it", async () => {
    const third = replica("blue-3");
    const fourth = replica("blue-4");
    await play(
      "",
      {
        // Up from the beginning; its process started before the first scrape.
        [`up{${first}}`]: "1x60",
        [`process_start_time_seconds{${first}}`]: "-20x60",
        // Down from 65 s to 90 s; its process was not restarted.
        [`up{${second}}`]: "1x12 0x5 1x41",
        [`process_start_time_seconds{${second}}`]: "-20x60",
        // Down since 65 s.
        [`up{${third}}`]: "1x12 0x47",
        [`process_start_time_seconds{${third}}`]: "-20x12 stale",
        // Never up.
        [`up{${fourth}}`]: "0x60",
      },
      [
        {
          expr: query("Status"),
          at: "4m",
          samples: [first, second, third, fourth].map((of, index) => sample(`up{${of}}`, index < 2 ? 1 : 0)),
        },
        {
          expr: query("Since when"),
          at: "4m",
          samples: [
            sample(`{${first}}`, -20_000),
            sample(`{${second}}`, 90_000),
            sample(`{${third}}`, 60_000),
            sample(`{${fourth}}`, 0),
          ],
        },
      ],
    );
  });

  it("shows how old the newest checkpoint and the last witness are, and nothing where there was none", async () => {
    const log = (series: string, of: string) => `audit_log_${series}{${of}}`;
    await play(
      "",
      {
        [log("checkpoint_timestamp_seconds", first)]: "0+5x60",
        // A replica that asked the database earlier.
        [log("checkpoint_timestamp_seconds", second)]: "0+5x30 150x30",
        [log("witnessed_timestamp_seconds", first)]: "0x60",
      },
      [
        { expr: query("Last checkpoint"), at: "4m", samples: [sample('{environment="vm2"}', 0)] },
        { expr: query("Last witness"), at: "4m", samples: [] },
      ],
    );
  });

  it("counts configurations in force by environment", async () => {
    const digest = (of: string, value: string) => `audit_config_digest_info{${of},digest="${value}"}`;
    await play(
      "",
      {
        [digest(first, "aaa")]: "1x60",
        [digest(second, "bbb")]: "1x60",
        [digest(replica("blue-1").replace("vm2", "test"), "aaa")]: "1x60",
      },
      [
        {
          expr: query("Configurations in force"),
          at: "1m",
          samples: [sample('{environment="test"}', 1), sample('{environment="vm2"}', 2)],
        },
      ],
    );
  });
});
