/** The pieces that several components need, as index.ts would make them. */
import * as postgresql from "@pulumi/postgresql";
import * as vault from "@pulumi/vault";
import { AccessTokens } from "../../../components/secrets/access-tokens";
import { Database } from "../../../components/database/database";
import { EdgeProxy, type EdgeProxyArgs } from "../../../components/edge/edge-proxy";
import type { ReleaseState, ReloadPort } from "../../../lib/release-state";
import { SecretsBinding } from "../../../components/secrets/secrets-binding";
import { Slots } from "../../../components/release/slots";
import type { VaultForAgents } from "../../../components/secrets/vault-access";
import { Vm } from "../../../components/vm/vm";
import { ROUTES } from "../../../nginx/routes";

export const TOOLS = `registry.example.test/tools@sha256:${"0".repeat(64)}`;
export const IMAGE = `registry.example.test/audit-svc@sha256:${"1".repeat(64)}`;
export const OTHER_IMAGE = `registry.example.test/audit-svc@sha256:${"2".repeat(64)}`;
export const NGINX = `registry.example.test/nginx@sha256:${"3".repeat(64)}`;
export const EXPORTER = `registry.example.test/exporter@sha256:${"4".repeat(64)}`;

export interface WorldOptions {
  image?: string;
  replicas?: number;
  previous?: ReleaseState;
  reloadOn?: ReloadPort;
  vault?: Partial<VaultForAgents>;
}

export function world(options: WorldOptions = {}) {
  const vm = new Vm("vm", {
    address: "ssh://deploy@vm.example.test:2222",
    tools: TOOLS,
    networks: { name: "audit", range: "172.29" },
  });
  const slots = new Slots("audit-svc", {
    vm,
    spec: { image: options.image ?? IMAGE, replicas: options.replicas ?? 2, reloadOn: options.reloadOn ?? "admin" },
    previous: options.previous,
  });
  const vaultForAgents: VaultForAgents = {
    provider: new vault.Provider("vault", { address: "https://vault.example.test:8200" }),
    address: "https://vault.example.test:8200",
    agentAddress: "https://vault.internal.test:8200",
    agentImage: TOOLS,
    secretIdIssue: "2026-01-01T00:00:00.000Z",
    ...options.vault,
  };
  return { vm, slots, vault: vaultForAgents };
}

export const edgeArgs = ({ vm, slots }: ReturnType<typeof world>): EdgeProxyArgs => ({
  vm,
  slots,
  images: { nginx: NGINX, exporter: EXPORTER },
  routes: ROUTES,
  listen: { port: 80, tlsPort: 443, metricsPort: 9145 },
  metricsAllow: ["10.0.0.9"],
  publicUrl: "https://audit.example.test",
});

/** Everything around a service. */
export function surroundings(options: WorldOptions = {}) {
  const w = world(options);
  const database = new Database("audit", {
    server: { host: "db.example.test", port: 5433, sslMode: "verify-full" },
    database: "events",
    provider: new postgresql.Provider("server", { host: "db.example.test" }),
  });
  const tokens = new AccessTokens("audit", {
    applications: ["billing"],
    provider: w.vault.provider,
    mount: "secret",
    path: "audit-svc/vm2-tokens",
  });
  const secrets = new SecretsBinding("audit-svc", {
    ...w,
    secret: { mount: "secret", path: "audit-svc/vm2" },
    data: { database: database.connection },
  });
  return { ...w, database, tokens, secrets, behind: new EdgeProxy("audit-edge", edgeArgs(w)) };
}
