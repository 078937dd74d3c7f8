import assert from "node:assert/strict";

import { dashboardQueries, nginxDashboard } from "../../../dashboards";

/** A small version of the published file; test/rules/published.test.ts uses the file itself. */
const source = {
  __inputs: [{ name: "DS_PROMETHEUS" }],
  __requires: [{ id: "grafana" }],
  annotations: {
    list: [{ builtIn: 1, datasource: "-- Grafana --", enable: true, iconColor: "red", name: "Annotations & Alerts" }],
  },
  gnetId: null,
  id: null,
  iteration: 1562682051068,
  links: [],
  panels: [
    {
      datasource: "${DS_PROMETHEUS}",
      decimals: null,
      gridPos: { h: 1, w: 24, x: 0, y: 0 },
      id: 4,
      repeat: "instance",
      targets: [{ expr: 'nginx_up{instance=~"$instance"}', refId: "A" }],
      title: "NGINX Status for $instance",
      type: "singlestat",
    },
  ],
  style: "dark",
  tags: ["nginx"],
  templating: {
    list: [
      {
        current: { text: "default", value: "default" },
        name: "DS_PROMETHEUS",
        query: "prometheus",
        type: "datasource",
      },
      {
        allValue: null,
        current: {},
        datasource: "${DS_PROMETHEUS}",
        name: "instance",
        query: "label_values(nginx_up, instance)",
        tags: [],
        tagsQuery: "",
        type: "query",
        useTags: false,
      },
    ],
  },
  timepicker: { refresh_intervals: ["5s"], time_options: ["5m"] },
  title: "NGINX",
  uid: "MsjffzSZz",
  version: 1,
};

const datasource = { uid: "prometheus", name: "Prometheus" };

describe("the edge's dashboard", () => {
  it("is the published one, bound to the data source and with a fixed uid", () => {
    const all = { selected: true, text: ["All"], value: ["$__all"] };
    const chosen = { type: "prometheus", uid: "${DS_PROMETHEUS}" };
    assert.deepEqual(JSON.parse(nginxDashboard(JSON.stringify(source), { datasource })), {
      annotations: {
        list: [
          {
            builtIn: 1,
            datasource: { type: "grafana", uid: "-- Grafana --" },
            enable: true,
            iconColor: "red",
            name: "Annotations & Alerts",
          },
        ],
      },
      links: [
        {
          asDropdown: false,
          icon: "dashboard",
          includeVars: false,
          keepTime: true,
          tags: ["audit-svc"],
          targetBlank: false,
          title: "Dashboards of the audit service",
          tooltip: "",
          type: "dashboards",
        },
      ],
      panels: [
        {
          datasource: chosen,
          gridPos: { h: 1, w: 24, x: 0, y: 0 },
          repeat: "instance",
          targets: [{ expr: 'nginx_up{instance=~"$instance"}', refId: "A" }],
          title: "NGINX Status for $instance",
          type: "singlestat",
        },
      ],
      tags: ["nginx", "audit-svc"],
      templating: {
        list: [
          {
            current: { selected: true, text: "Prometheus", value: "prometheus" },
            name: "DS_PROMETHEUS",
            query: "prometheus",
            type: "datasource",
          },
          {
            current: all,
            datasource: chosen,
            name: "instance",
            query: "label_values(nginx_up, instance)",
            type: "query",
          },
        ],
      },
      timepicker: { refresh_intervals: ["5s"] },
      title: "NGINX",
      uid: "audit-nginx",
    });
  });

  it("takes another uid and title", () => {
    const other = JSON.parse(nginxDashboard(JSON.stringify(source), { datasource, uid: "u", title: "Edge" })) as object;
    assert.deepEqual({ ...other, uid: "u", title: "Edge" }, other);
  });

  it("keeps the published queries", () => {
    const queries = dashboardQueries(nginxDashboard(JSON.stringify(source), { datasource }));
    assert.deepEqual(
      queries.map(({ kind, expr }) => [kind, expr]),
      [
        ["panel", 'nginx_up{instance=~"$instance"}'],
        ["variable", "nginx_up"],
      ],
    );
  });

  it("refuses a file that is no dashboard", () => {
    assert.throws(() => nginxDashboard("{}", { datasource }), {
      message: "The published dashboard of the nginx exporter has no panels.",
    });
  });

  it("refuses a dashboard whose data source cannot be set", () => {
    assert.throws(() => nginxDashboard('{"panels":[]}', { datasource }), {
      message: "The published dashboard of the nginx exporter has no data source variable DS_PROMETHEUS.",
    });
  });
});
