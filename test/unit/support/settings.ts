import assert from "node:assert/strict";
import { ConfigError, parseSettings, type Settings } from "../../../config";

export const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

/** A valid configuration. */
export const good: Record<string, string> = {
  "audit:environment": "vm2",
  "audit:hostAddress": "ssh://deploy@vm2.example.test",
  "audit:image": `harbor.example.test/audit/audit-svc@${digest}`,
  "audit:edgeImage": `harbor.example.test/hub/nginx@${digest}`,
  "audit:exporterImage": `harbor.example.test/hub/exporter@${digest}`,
  "audit:vaultImage": `harbor.example.test:8443/hub/vault@${digest}`,
  "audit:databaseHost": "db.example.test",
  "audit:vaultAddress": "https://vault.example.test:8200/",
  "audit:edgeMetricsAllow": '["10.0.0.9"]',
  "audit:serviceUrl": "https://audit.example.test",
  "audit:metricsAddress": "vm2.example.test:9145",
  "audit:prometheusUrl": "http://prometheus.example.test:9090",
  "audit:prometheusHost": "ssh://deploy@prometheus.example.test:2222",
  "audit:prometheusTargets": "/etc/prometheus/targets",
  "audit:prometheusRules": "/etc/prometheus/rules",
  "audit:prometheusImage": "prom/prometheus:v2.53.0",
  "audit:grafanaUrl": "https://grafana.example.test",
  "audit:grafanaDataSource": "prometheus",
};

/** What makes a configuration of a cluster of it. */
export const onCluster: Record<string, string | undefined> = {
  "audit:platform": "kubernetes",
  "audit:hostAddress": undefined,
  "audit:kubeContext": "production",
  "audit:databaseRanges": '["10.0.0.40/32"]',
  "audit:vaultRanges": '["10.0.0.50/32"]',
  "audit:prometheusDiscovery": "http",
};

/** The settings of a stack on a VM. */
export function onVm(settings: Settings): Extract<Settings, { platform: "vm" }> {
  assert.ok(settings.platform === "vm");
  return settings;
}

/** The problems of the valid configuration after these changes. */
export function problems(changes: Record<string, string | undefined>): readonly string[] {
  const values = Object.fromEntries(
    Object.entries({ ...good, ...changes }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  try {
    parseSettings(values);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.problems;
  }
  return [];
}
