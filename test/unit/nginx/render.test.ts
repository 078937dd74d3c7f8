import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { detours, PATHS } from "../../../ci/lib/hidden-paths";
import { renderNginxConfig, type EdgeConfig, type Route } from "../../../nginx/render";
import { LOG_ROUTES, ROUTES, routesOf } from "../../../nginx/routes";

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

const exact = (routes: readonly Route[]) => routes.flatMap((route) => ("path" in route ? [route.path] : []));
const patterns = LOG_ROUTES.flatMap((route) => ("pattern" in route ? [route.pattern] : []));

describe("nginx.conf", () => {
  it("is rendered exactly as expected", () => {
    assert.equal(renderNginxConfig(config), readFileSync("test/unit/nginx/expected/nginx.conf", "utf8"));
  });

  it("is rendered exactly as expected with TLS, limits, fewer lines in the log, a balancer, and the log's routes", () => {
    const full: EdgeConfig = {
      ...config,
      routes: routesOf({}),
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
      ...exact(ROUTES).map((path) => `= ${path}`),
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
    assert.ok(!exact(routesOf({})).some((path) => /reload|metrics/.test(path)));
  });

  it("refuses, on every listener, a path that is spelt differently from the location that it matches", () => {
    const full: EdgeConfig = {
      ...config,
      routes: routesOf({}),
      tls: { port: 8443, certificate: "/run/tls/edge.pem", authority: "audit.example.test", hstsSeconds: 0 },
      metricsFiles: [{ name: "agent", file: "/run/audit-svc/agent.prom" }],
    };
    const text = renderNginxConfig(full);
    const locations = [...text.matchAll(/location = (\/(?!\.)\S+) \{\n\s+(.*)\n/g)];
    assert.equal(locations.length, 2 * exact(routesOf({})).length + 3 + 3 + 1);
    for (const [, path = "", first = ""] of locations) {
      assert.ok(first.startsWith(`if ($path != ${path}) { return 404 '{"error":"not_found"`), `${path}: ${first}`);
    }
    // A location of many paths asks the same of the path as it was spelt.
    const many = [...text.matchAll(/location ~ "(.*)" \{\n\s+(.*)\n/g)];
    assert.deepEqual(
      many.map(([, pattern]) => pattern),
      [...patterns, ...patterns],
    );
    for (const [, pattern = "", first = ""] of many)
      assert.ok(first.startsWith(`if ($path !~ "${pattern}") { return 404 '{"error":"not_found"`), first);
    assert.equal([...text.matchAll(/location [\^~]/g)].length, many.length, "no other location matches several paths");
    assert.doesNotMatch(text, /(return|proxy_pass) [^;]*\$(request_)?uri/);
  });

  it("matches tiles and proofs as they are spelt, and nothing that a framework could take for another path", () => {
    const matches = (path: string) => patterns.some((pattern) => new RegExp(pattern).test(path));
    const id = "0192f5c1-0000-7000-8000-0123456789ab";
    const rightPaths = [
      ...["/log/tile/0/000", "/log/tile/0/x001/x234/067", "/log/tile/12/000.p/1", "/log/tile/entries/x001/067.p/255"],
      `/v1/events/${id}/proof`,
    ];
    for (const path of rightPaths) assert.ok(matches(path), path);
    const wrongPaths = [
      ...["/log/tile/0/0", "/log/tile/0/x001", "/log/tile/0/000.p/", "/log/tile/data/000", "/log/tile/0/000/reload"],
      ...["/log/tile/0/000;/../reload", "/log/tile/0/../../reload", "/log/tile/0/000%2freload", "/log/tile//0/000"],
      ...[`/v1/events/${id}`, `/v1/events/${id}/proof/`, `/v1/events/${id};a/proof`, `/reload/v1/events/${id}/proof`],
      ...["/v1/events/../reload/proof", `/v1/events/${id}/../proof`, `/V1/events/${id}/proof`],
      ...detours("/log/tile/0/000"),
      ...PATHS,
    ];
    for (const path of wrongPaths) assert.ok(!matches(path), path);
  });
});
