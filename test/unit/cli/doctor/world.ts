import type { Access, BootstrapLook, HostFacts, Reply } from "../../../../cli/doctor/access";
import type { Values } from "../../../../config";
import { parseValues } from "../../../../config/parse";
import type { VaultReply } from "../../../../lib/vault/client";
import { planAgents } from "../../../../lib/vault/rights";
import { inVault } from "../../../../config/in-vault";
import { good } from "../../support/settings";

/** What the machines and servers of a world in order answer; tests replace single answers. */
export interface Answers {
  values: Values;
  env: Record<string, string | undefined>;
  now: number;
  stackFile: Record<string, unknown>;
  /** By the first two words of the command line. */
  pulumi: Record<string, { code: number; stdout: string; all: string }>;
  locks: string[] | undefined;
  certificates: { setting: string; problem?: string; unanswered?: string }[];
  host: HostFacts | Error;
  /** By path, `*` standing for any image. */
  engine: Record<string, Reply>;
  /** By the first two words, and the path of a raw one; or made of its standard input. */
  kubectl: Record<string, string | Error | ((input: string) => string)>;
  inRegistry: boolean | Error;
  monitoringHost: string | Error;
  /** By a word of the query. */
  sql: Record<string, Record<string, unknown>[] | Error>;
  vault: Record<string, VaultReply>;
  vaultOpen: Record<string, VaultReply & { date?: number }>;
  prometheus: Record<string, Reply>;
  grafana: Record<string, Reply>;
  gitlab: Record<string, Reply>;
  bootstrap: BootstrapLook | undefined;
  userNamespaces: boolean;
}

export const NOW = Date.UTC(2026, 0, 1);
export const reply = (body: unknown, status = 200): Reply => ({ status, body, date: NOW });
export const vaultReply = (answer: Record<string, unknown>, status = 200): VaultReply => ({
  status,
  answer,
  errors: [],
});

const done = (value: unknown) => ({ code: 0, stdout: JSON.stringify(value), all: "" });
const PROMETHEUS = `scrape_configs:
  - job_name: audit
    file_sd_configs: [{ files: [/etc/prometheus/targets/*.json] }]
rule_files: [/etc/prometheus/rules/*.yml]
`;

/** Answers to the questions about rights: no to these, such as "create pods/exec", yes to all others. */
export const allowedBut =
  (...lacking: readonly string[]) =>
  (input: string): string => {
    const { items } = JSON.parse(input) as { items: { spec: { resourceAttributes: Record<string, string> } }[] };
    const lines = items.map(({ spec: { resourceAttributes: { verb, resource, subresource = "", namespace } } }) =>
      namespace === "audit" && !lacking.includes(`${verb} ${resource}${subresource && `/${subresource}`}`),
    ); // prettier-ignore
    return `${lines.join("\n")}\n`;
  };

export function inOrder(settings: Record<string, string | undefined> = {}): Answers {
  const texts = Object.entries({ ...good, "audit:databaseDriftUser": "drift", ...settings });
  const values = parseValues(Object.fromEntries(texts.filter((entry): entry is [string, string] => entry[1] !== undefined))); // prettier-ignore
  const { stack } = inVault(values);
  const agents = planAgents(stack);
  const inPolicies = Object.entries(agents.policies).map(([name, policy]) => [`GET sys/policies/acl/${name}`, vaultReply({ data: { policy } })] as const); // prettier-ignore
  const ensured = agents.ensure.map(({ path, body }) => [`GET ${path}`, vaultReply({ data: body })] as const);
  const image = { Descriptor: {}, Platforms: [{ architecture: "amd64", os: "linux" }] };
  return {
    ...{ values, now: NOW },
    env: {
      VAULT_TOKEN: "hvs.token",
      PGPASSWORD: "secret-of-pg",
      GRAFANA_HTTP_HEADERS: '{"Authorization":"Bearer glsa"}',
    },
    stackFile: { secretsprovider: "hashivault://pulumi", encryptedkey: "dmF1bHQ=" },
    pulumi: { "stack output": done({}), "stack history": done([{ result: "succeeded" }]) },
    locks: [],
    certificates: ["vaultAddress", "databaseHost", "prometheusUrl", "grafanaUrl"].map((key) => ({
      setting: `audit:${key}`,
    })),
    host: {
      clock: NOW / 1000,
      disk: { path: "/var/lib/docker", freeKiB: 50 * 1024 * 1024, totalKiB: 100 * 1024 * 1024 },
      memoryKiB: 4 * 1024 * 1024,
      uplink: { name: "eth0", mtu: 1500 },
      routes: [{ device: "eth0", range: "10.0.0.0/24" }],
      listening: [22, 80, 9145],
      reaches: {
        [`${values.databaseHost} ${values.databasePort}`]: "yes",
        ...Object.fromEntries(["vault.example.test 8200", "harbor.example.test 443"].map((at) => [at, "yes" as const])),
      },
    },
    engine: {
      "/version": reply({ Version: "28.1.1", Arch: "amd64" }),
      "/containers/json": reply([{ Names: ["/audit-edge"], Ports: [{ PublicPort: 80 }, { PublicPort: 9145 }] }]),
      "/networks": reply([
        { Name: "bridge", IPAM: { Config: [{ Subnet: "172.17.0.0/16" }] } },
        { Name: "audit-front", IPAM: { Config: [{ Subnet: "172.29.96.0/24" }] } },
        { Name: "host", IPAM: { Config: null } },
      ]),
      "/distribution/*": reply(image),
      "/images/*": reply({}, 404),
    },
    kubectl: {
      "config get-contexts": "production\n",
      "version --output": JSON.stringify({
        clientVersion: { gitVersion: "v1.33.1" },
        serverVersion: { gitVersion: "v1.34.4-gke.1" },
      }),
      "get namespace": JSON.stringify({
        metadata: { labels: { "audit/stack": "vm2", "pod-security.kubernetes.io/enforce": "restricted" } },
      }),
      "create --filename": allowedBut(),
      "get --raw /apis/monitoring.coreos.com/v1": JSON.stringify({ resources: [{ kind: "PodMonitor" }] }),
      "get --raw /apis/metrics.k8s.io/v1beta1": "{}",
    },
    inRegistry: true,
    monitoringHost: "",
    sql: {
      one: [{ one: 1 }],
      "AS version": [{ version: 170002 }],
      createrole_self_grant: [
        { rolsuper: false, rolcreaterole: true, rolcreatedb: true, self_grant: "set, inherit", version: 170002 },
      ],
      datdba: [],
      "ANY (": [],
      "AS strong": [{ rolcanlogin: true, strong: false }],
      max_connections: [{ most: 97, used: 4 }],
      pg_is_in_recovery: [{ standby: false, locked: "off" }],
      clock_timestamp: [{ now: NOW }],
    },
    vault: {
      "GET auth/token/lookup-self": vaultReply({ data: { ttl: 3000, policies: ["default", "audit-deployer"] } }),
      "GET sys/mounts": vaultReply({ data: { "secret/": { type: "kv", options: { version: "2" } } } }),
      "GET sys/auth": vaultReply({
        data: { "approle/": { type: "approle" }, "jwt/": { type: "jwt" }, "kubernetes/": { type: "kubernetes" } },
      }),
      "GET auth/jwt/role/audit-ci-deploy": vaultReply({}, 403),
      "GET auth/kubernetes/config": vaultReply({
        data: { kubernetes_host: "https://cluster.example.test:6443", token_reviewer_jwt_set: true },
      }),
      "POST sys/capabilities-self": vaultReply({
        [`secret/data/${values.vaultPath}`]: ["create", "update"],
        [`secret/data/${values.vaultPath}-tokens/reader`]: ["create"],
        "auth/approle/role/audit-svc/secret-id": ["update"],
        "transit/encrypt/pulumi": ["update"],
        "transit/decrypt/pulumi": ["update"],
      }),
      ...Object.fromEntries([...inPolicies, ...ensured]),
    },
    vaultOpen: {
      "sys/seal-status": vaultReply({ sealed: false, initialized: true, version: "1.21.0" }),
      "sys/health?standbyok=true&perfstandbyok=true": vaultReply({ server_time_utc: NOW / 1000 }),
    },
    prometheus: {
      "/api/v1/status/buildinfo": reply({ data: { version: "2.53.0" } }),
      "/api/v1/status/config": reply({ data: { yaml: PROMETHEUS } }),
      "/api/v1/status/flags": reply({ data: { "web.enable-lifecycle": "true" } }),
      "/api/v1/status/runtimeinfo": reply({}),
    },
    grafana: {
      "/api/health": reply({ database: "ok", version: "12.0.0" }),
      "/api/health?clock": reply({ database: "ok" }),
      "/api/folders?limit=1": reply([]),
      "/api/access-control/user/permissions": reply({ "folders:create": [], "dashboards:create": [], "datasources:create": [], "alert.provisioning:write": [] }), // prettier-ignore
      "/api/datasources/uid/prometheus": reply({ type: "prometheus", name: "Prometheus" }),
    },
    gitlab: {
      "projects/42/variables?per_page=100": reply([{ key: "VAULT_ADDR" }]),
      "projects/42/resource_groups/vm2": reply({ process_mode: "oldest_first" }),
    },
    bootstrap: {
      gitlab: { url: "https://gitlab.example.test", project: "team/audit", projectId: 42 },
      vault: () => Promise.resolve([]),
      gitlabDifferences: () => Promise.resolve([]),
    },
    userNamespaces: true,
  };
}

/** The world of these answers. */
export function worldOf(answers: Answers): Access {
  const of = <T>(all: Record<string, T>, key: string): Promise<T> => {
    const answer = all[key];
    return answer === undefined ? Promise.reject(new Error(`no answer to ${key}`)) : Promise.resolve(answer);
  };
  const orThrow = <T>(answer: T | Error): Promise<T> => (answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer)); // prettier-ignore
  return {
    ...{ values: answers.values, env: answers.env, now: () => answers.now },
    project: { directory: "/project", stack: "vm2", file: "/project/Pulumi.vm2.yaml" },
    stackFile: () => answers.stackFile,
    pulumi: (args) => of(answers.pulumi, args.slice(0, 2).join(" ")),
    locks: () => Promise.resolve(answers.locks),
    certificates: () => Promise.resolve(answers.certificates),
    host: () => orThrow(answers.host),
    engine: (path) => of(answers.engine, path.replace(/^\/(distribution|images)\/.*/, "/$1/*")),
    kubectl: async (args, input = "") => {
      const found = await of(answers.kubectl, args.slice(0, args[1] === "--raw" ? 3 : 2).join(" "));
      return typeof found === "function" ? found(input) : orThrow(found);
    },
    inRegistry: () => orThrow(answers.inRegistry),
    monitoringHost: () => orThrow(answers.monitoringHost),
    sql: (query) => {
      const word =
        Object.keys(answers.sql)
          .filter((each) => query.includes(each))
          .sort((a, b) => b.length - a.length)[0] ?? "";
      return of(answers.sql, word).then(orThrow);
    },
    vault: (method, path) => Promise.resolve(answers.vault[`${method} ${path}`] ?? vaultReply({}, 404)),
    vaultOpen: (path) => of(answers.vaultOpen, path),
    prometheus: (path) => of(answers.prometheus, path),
    grafana: (path) => of(answers.grafana, path),
    gitlab: (path) => of(answers.gitlab, path),
    bootstrap: () => Promise.resolve(answers.bootstrap),
    userNamespaces: () => Promise.resolve(answers.userNamespaces),
  };
}
