import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { renderNginxConfig, type EdgeConfig } from "../../../nginx/render";
import { ROUTES } from "../../../nginx/routes";

const config: EdgeConfig = {
  port: 8080,
  metricsPort: 9145,
  status: { address: "172.29.96.2", port: 8082, reader: "172.29.96.3" },
  exporter: "172.29.96.3:9113",
  upstreams: [
    { name: "blue", servers: [{ name: "audit-svc-blue-1", address: "172.29.96.16", port: 8080 }] },
    {
      name: "green",
      servers: [
        { name: "audit-svc-green-1", address: "172.29.96.48", port: 8080 },
        { name: "audit-svc-green-2", address: "172.29.96.49", port: 8080 },
      ],
    },
  ],
  markerFile: "/run/release/green",
  closingFile: "/tmp/closing",
  routes: ROUTES,
  limits: { bodySize: "2m", clientRate: 0, clientConnections: 0 },
  loggedSuccesses: 100,
  trustedProxies: [],
  balancersOnly: false,
  metricsAllow: ["10.0.0.9", "10.1.0.0/16"],
  metricsFiles: [],
  targets: { path: "/targets", file: "/etc/audit-edge/targets.json" },
};

describe("nginx.conf", () => {
  it("is rendered exactly as expected", () => {
    assert.equal(renderNginxConfig(config), readFileSync("test/unit/nginx/expected/nginx.conf", "utf8"));
  });

  it("is rendered exactly as expected with TLS, limits, fewer lines in the log and a balancer in front", () => {
    const full: EdgeConfig = {
      ...config,
      tls: {
        port: 8443,
        certificate: "/run/tls/edge.pem",
        authority: "audit.example.test",
        hstsSeconds: 31_536_000,
      },
      limits: { bodySize: "2m", clientRate: 100, clientConnections: 50 },
      loggedSuccesses: 10,
      trustedProxies: ["10.0.0.5"],
      balancersOnly: true,
      metricsFiles: [
        { name: "certificate", file: "/run/tls/certificate.prom" },
        { name: "agent", file: "/run/audit-svc/agent.prom" },
      ],
    };
    assert.equal(renderNginxConfig(full), readFileSync("test/unit/nginx/expected/nginx-tls.conf", "utf8"));
  });

  it("passes nothing on but the routes, the replicas' metrics and the exporter's", () => {
    const passed = [
      ...renderNginxConfig(config).matchAll(/location ([^{]+) \{(?:(?!location)[\s\S])*?proxy_pass/g),
    ].map((match) => match[1]);
    assert.deepEqual(passed, [
      ...ROUTES.map((route) => `= ${route.path}`),
      "@again",
      "@checked",
      "= /.token",
      "@closing_read",
      "@closing_write",
      "= /metrics/nginx",
      "= /metrics/audit-svc-blue-1",
      "= /metrics/audit-svc-green-1",
      "= /metrics/audit-svc-green-2",
    ]);
    assert.ok(!ROUTES.some((route) => /reload|metrics/.test(route.path)));
  });

  it("refuses, on every listener, a path that is spelt differently from the location that it matches", () => {
    const full: EdgeConfig = {
      ...config,
      tls: { port: 8443, certificate: "/run/tls/edge.pem", authority: "audit.example.test", hstsSeconds: 0 },
      metricsFiles: [{ name: "agent", file: "/run/audit-svc/agent.prom" }],
    };
    const text = renderNginxConfig(full);
    const locations = [...text.matchAll(/location = (\/(?!\.)\S+) \{\n\s+(.*)\n/g)];
    assert.equal(locations.length, 2 * ROUTES.length + 3 + 3 + 1);
    for (const [, path = "", first = ""] of locations) {
      assert.ok(first.startsWith(`if ($path != ${path}) { return 404 '{"error":"not_found"`), `${path}: ${first}`);
    }
    assert.doesNotMatch(text, /location [\^~]/, "no location matches more than one path");
    assert.doesNotMatch(text, /(return|proxy_pass) [^;]*\$(request_)?uri/);
  });
});
