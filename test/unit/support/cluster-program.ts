/** Runs the program of a stack on a cluster against mocks, on a machine whose kubectl is a fake one. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { after, before } from "mocha";
import program from "../../../index";
import type { ReleaseState } from "../../../lib/release-state";
import { fakeProgram } from "./fake-programs";
import { run, type Registered } from "./program";

const digest = (n: number) => `sha256:${String(n).repeat(64)}`;
/** A valid configuration. */
export const settings: Record<string, string> = {
  "audit:environment": "cluster",
  "audit:platform": "kubernetes",
  "audit:kubeContext": "production",
  "audit:image": `harbor.example.test/audit/audit-svc@${digest(1)}`,
  "audit:registryUsername": "robot",
  "audit:registryPassword": "harbor-password",
  "audit:edgeImage": `harbor.example.test/hub/nginx@${digest(2)}`,
  "audit:exporterImage": `harbor.example.test/hub/exporter@${digest(3)}`,
  "audit:vaultImage": `harbor.example.test/hub/vault@${digest(4)}`,
  "audit:databaseHost": "10.0.0.40",
  "audit:vaultAddress": "https://vault.example.test:8200",
  "audit:vaultRanges": '["10.0.0.50/32"]',
  "audit:vaultPath": "audit-svc/cluster",
  // No Vault answers here; agents-in-vault.test.ts has the other way.
  "audit:vaultPolicies": "program",
  "audit:edgeMetricsAllow": '["10.0.0.9"]',
  "audit:serviceUrl": "https://audit.example.test",
  "audit:metricsAddress": "audit.example.test:9145",
  "audit:prometheusUrl": "http://prometheus.example.test:9090",
  "audit:prometheusDiscovery": "http",
  "audit:alerts": "grafana",
  "audit:grafanaUrl": "https://grafana.example.test",
  "audit:grafanaDataSource": "prometheus",
};

/** Runs index.ts as the engine would, with the state that a last run left. */
export async function deploy(releases?: ReleaseState & { namespace?: string }, more: Record<string, string> = {}) {
  const { result, resources } = await run(
    async () => {
      pulumi.runtime.setAllConfig({ ...settings, ...more });
      return program();
    },
    (args) =>
      args.type === "pulumi:pulumi:StackReference"
        ? { outputs: releases === undefined ? {} : { releases } }
        : args.name === "audit-svc-migrate"
          ? { stdout: "schema version 4\n" }
          : undefined,
  );
  return { result, resources };
}

/** Gives the suite that calls it a kubectl, which at first tells of a cluster that is new enough. */
export function withKubectl() {
  const directory = mkdtempSync(join(tmpdir(), "cluster-program-"));
  const path = process.env.PATH;
  const version = (minor: string) => `[ "$4" = namespace ] || echo '{"serverVersion":{"gitVersion":"v1.${minor}.4"}}'`;
  const says = (text: string) => fakeProgram(directory, "kubectl", text);
  /** Has kubectl tell of a cluster of this version. */
  const clusterIs = (minor: string) => says(version(minor));
  before(function () {
    this.timeout(90_000);
    execFileSync("node", ["--import", "tsx", "dashboards/fetch.ts"], { stdio: ["ignore", "ignore", "inherit"] });
    process.env.PATH = `${directory}${delimiter}${path ?? ""}`;
    clusterIs("34");
  });
  after(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });
  return {
    ...{ says, clusterIs },
    /** Has it tell of a cluster with Prometheus' operator. */
    hasPodMonitors: () =>
      says(`case "$*" in *" get --raw "*) echo '{"resources":[{"kind":"PodMonitor"}]}' ;; *) ${version("34")} ;; esac`),
  };
}

/** Settings by which the program makes all kinds of objects that it can make. */
export const everything = {
  ...{ "audit:prometheusDiscovery": "podMonitor", "audit:podMonitorNamespace": "monitoring" },
  "audit:replicasMax": "10",
};

/** The kinds of Kubernetes' objects among these resources but for the namespace, as RBAC names them, each once. */
export function kindsOf(resources: readonly Registered[]): { group: string; resource: string }[] {
  const types = resources
    .filter(({ type }) => type.startsWith("kubernetes:") && !type.endsWith(":Namespace"))
    .map(({ type }) => type);
  return [...new Set(types)].sort().map((type) => {
    const [, version = "", kind = ""] = type.split(":");
    const [group = ""] = version.split("/");
    return { group: group === "core" ? "" : group, resource: `${kind.toLowerCase()}s`.replace(/ys$/, "ies") };
  });
}
