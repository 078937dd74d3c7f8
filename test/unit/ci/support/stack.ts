import { afterEach, beforeEach } from "mocha";
import { scratch, tokenFor, vaultWith, type Call } from "./job";
import { closeAll } from "./servers";

export const digest = (letter: string): string => `harbor.example.com/audit/audit-svc@sha256:${letter.repeat(64)}`;
export const SECRETS = {
  PULUMI_BACKEND_URL: "postgres://state:of-the-state@db/state",
  PGPASSWORD: "of-the-deployer",
  GRAFANA_AUTH: "admin:of-grafana",
  AUDIT_REGISTRY_PASSWORD: "of-the-puller",
};
export const OUTPUTS = {
  serviceUrl: "http://vm2.example.com",
  dashboardUrl: "https://grafana.example.com/d/audit",
  nginxDashboardUrl: "https://grafana.example.com/d/nginx",
  image: digest("a"),
  release: "aaaaaaaaaaaa",
  releases: {
    active: "blue",
    slots: {
      blue: { release: "aaaaaaaaaaaa", image: digest("a"), replicas: 2, memory: 256 },
      green: { release: "bbbbbbbbbbbb", image: digest("b"), replicas: 3, memory: 512 },
    },
  },
};

/** A kubeconfig with one context. */
export const kubeconfig = (context: string, token: string): string =>
  [
    "apiVersion: v1",
    "kind: Config",
    "clusters: [{ name: c, cluster: { server: 'https://cluster.example.com:6443' } }]",
    `contexts: [{ name: ${context}, context: { cluster: c, user: u } }]`,
    `users: [{ name: u, user: { token: ${token} } }]`,
  ].join("\n");
export const KUBECONFIG = kubeconfig("production", "token-for-the-cluster");

/** A separate directory for each test of a suite; servers are closed after each test. */
export function jobDirectory(): () => string {
  let dir: ReturnType<typeof scratch>;
  beforeEach(() => (dir = scratch()));
  afterEach(() => {
    closeAll();
    dir.remove();
  });
  return () => dir.path;
}

/** The environment of a job that logs in to a Vault which has {@link SECRETS} for its purpose. */
export const login = async (purpose: string): Promise<{ VAULT_ADDR: string; VAULT_ID_TOKEN: string }> => {
  const vault = await vaultWith({ [`secret/ci/audit/${purpose}`]: SECRETS });
  return { VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) };
};

export const output = (value: object) => () => ({ stdout: JSON.stringify(value) });

export const settings = () => ({
  stdout: JSON.stringify({ "audit:hostAddress": { value: "ssh://deploy@vm2.example.com" } }),
});

export const ups = (calls: readonly Call[]): string[] =>
  calls.map(({ line }) => line).filter((line) => line.startsWith("pulumi up"));

/** Variables of a job in the pipeline of a protected tag. */
export const onTag = {
  CI_COMMIT_TAG: "v1.2.0",
  CI_COMMIT_REF_PROTECTED: "true",
  GITLAB_USER_LOGIN: "alice",
  CI_PIPELINE_URL: "https://gitlab.example.com/p/1",
  IMAGE: digest("c"),
};
