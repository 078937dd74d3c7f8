import { cpSync, existsSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { stringify } from "yaml";
import { httpsServer } from "../../../../lib/check-certificates";
import { readCertificateAuthority } from "../../../../lib/certificate-authority";
import type { Probes } from "../../../../cli/init/probes";
import { digest } from "../../support/settings";

export const root = resolve(__dirname, "../../../..");

/** What answers in a world in order; tests replace single ones. */
export const inOrder: Probes = {
  address: (host) =>
    host === "unknown.example.test" ? Promise.reject(new Error("ENOTFOUND")) : Promise.resolve("10.0.0.7"),
  contexts: () => Promise.resolve(["production"]),
  accepts: (host) => Promise.resolve(host !== "away.example.test"),
  certificate: (_, url) => Promise.resolve(httpsServer("x", url, false) && undefined),
  http: (url) =>
    Promise.resolve({ status: 200, body: url.includes("elsewhere") ? "<html>" : { sealed: false, data: { version: "3" }, database: "ok", message: "401" } }), // prettier-ignore
  digest: (image) =>
    image.includes("gone")
      ? Promise.reject(new Error("the registry has no such tag"))
      : Promise.resolve(`${image}@${digest}`),
  authority: readCertificateAuthority,
};

/** The answers that have no default, and some that have. */
export const answers: Record<string, unknown> = {
  hostAddress: "ssh://deploy@vm3.example.test",
  image: "harbor.example.test/audit/audit-svc",
  registryUsername: "robot$vm3",
  databaseHost: "db.example.test",
  vaultAddress: "https://vault.example.test:8200",
  applications: ["billing", "crm"],
  prometheusUrl: "http://prometheus.example.test:9090",
  grafanaUrl: "https://grafana.example.test",
  ...{ "gitlab.url": "https://gitlab.example.test", "gitlab.project": "team/audit", "gitlab.projectId": 42 },
};

/** The same of a stack on a cluster. */
export const onCluster: Record<string, unknown> = {
  ...answers,
  ...{ platform: "kubernetes", hostAddress: undefined, kubeContext: "production" },
  ...{ registryUsername: "robot$cluster", serviceUrl: "https://audit.example.test" },
};

/** An empty directory with the project's files that init looks for. */
export function project(...more: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), "init-"));
  for (const file of ["Pulumi.yaml", "Pulumi.vm2.yaml", ...more]) cpSync(join(root, file), join(directory, file));
  return directory;
}

export function answersFile(directory: string, given: Record<string, unknown> = answers): string {
  const file = join(directory, "answers.yaml");
  writeFileSync(file, stringify(given));
  return file;
}

export const exists = (directory: string, file: string): boolean => existsSync(join(directory, file));
