import { VaultClient } from "../../lib/vault/client.js";
import { proxyVariables } from "../../offline/lib/docker.js";
import { UserError } from "../../offline/lib/user-error.js";
import { authorityFile } from "./platform/authority.js";
import { grafanaAdmin } from "./platform/grafana.js";
import { stateDatabase, deployerRole } from "./platform/postgres.js";
import { deployerToken, sealStatus, vaultAddress } from "./platform/vault.js";
import { vm2Host } from "./platform/vm2.js";
import { readRunInfo } from "./run-info.js";
import type { Settings } from "./settings.js";
import { kubeconfigFile } from "./cluster/layout.js";
import { readYaml, sandboxStack, type Stack } from "./stack-file.js";
import type { State } from "./state.js";

/**
 * What `pulumi`, `docker`, `vault` and `psql` need to work on the sandbox, both for `make up` itself and for a shell
 * that evaluates `make env`. For the stack `cluster` it sets up `kubectl` instead of `docker`.
 */
export function toolEnvironment(settings: Settings, state: State, stack = sandboxStack): Record<string, string> {
  const info = readRunInfo(state);
  const token = deployerToken({ state });
  if (!token) throw new UserError("The sandbox's Vault is not ready. Run `make up` first.");
  const address = vaultAddress({ settings });
  const authority = state.path(authorityFile);
  const verified = `sslmode=verify-full&sslrootcert=${encodeURIComponent(authority)}`;
  const paths = [...info.path, ...(process.env.PATH ?? "").split(":")];
  return {
    PATH: [...new Set(paths)].join(":"),
    PULUMI_HOME: info.pulumiHome,
    PULUMI_BACKEND_URL: `postgres://${stateDatabase}:${state.secret("pulumi_state")}@127.0.0.1:${settings.ports.postgres}/${stateDatabase}?${verified}`,
    PULUMI_DIY_BACKEND_GZIP: "true",
    PULUMI_STACK: stack.name,
    // The flag --config-file of every command: the stack's settings hold ports and digests of this machine, so they are not in git.
    PULUMI_OPTION_CONFIG_FILE: state.path(stack.file),
    PULUMI_SKIP_UPDATE_CHECK: "true",
    ...(stack.name === "cluster" ? { KUBECONFIG: state.path(kubeconfigFile) } : { DOCKER_HOST: vm2Host(settings) }),
    VAULT_ADDR: address,
    // The developer's value is for another Vault, and the program would use it for this one.
    VAULT_NAMESPACE: "",
    VAULT_TOKEN: token,
    VAULT_SERVER_URL: address,
    VAULT_SERVER_TOKEN: token,
    PGHOST: "127.0.0.1",
    PGPORT: String(settings.ports.postgres),
    PGUSER: deployerRole,
    PGPASSWORD: state.secret("deployer"),
    PGDATABASE: "postgres",
    PGSSLMODE: "verify-full",
    PGSSLROOTCERT: authority,
    DATABASE_URL: `postgres://${deployerRole}:${state.secret("deployer")}@127.0.0.1:${settings.ports.postgres}/postgres?${verified}`,
    GRAFANA_URL: `http://127.0.0.1:${settings.ports.grafana}`,
    GRAFANA_AUTH: `${grafanaAdmin}:${state.secret("grafana")}`,
    // The program's login; GRAFANA_AUTH is for other clients.
    GRAFANA_HTTP_HEADERS: JSON.stringify({
      Authorization: `Basic ${Buffer.from(`${grafanaAdmin}:${state.secret("grafana")}`).toString("base64")}`,
    }),
    PROMETHEUS_URL: `http://127.0.0.1:${settings.ports.prometheus}`,
    AUDIT_REGISTRY_PASSWORD: state.secret("registry-puller"),
    AUDIT_URL: edgeUrl(settings, state, stack),
    ...pastProxies(process.env),
  };
}

/**
 * Has a machine's proxy left out for the sandbox, all of which listens on 127.0.0.1: unlike other programs, Node also asks
 * it for that, and the programs of a deploy run with NODE_USE_ENV_PROXY.
 */
export function pastProxies(env: NodeJS.ProcessEnv): Record<string, string> {
  if (proxyVariables(env).length === 0) return {};
  const add = (list = ""): string => [...new Set([...list.split(",").filter(Boolean), "127.0.0.1"])].join(",");
  return { NO_PROXY: add(env.NO_PROXY ?? env.no_proxy), no_proxy: add(env.no_proxy ?? env.NO_PROXY) };
}

export const serviceUrl = (settings: Settings): string => `http://127.0.0.1:${settings.ports.edge}`;

/** The edge of a stack; of the cluster's as its settings say, since the cluster may be on other machines. */
export function edgeUrl(settings: Settings, state: State, stack: Stack): string {
  const { config } = readYaml(state.path(stack.file));
  const url = stack.name === "cluster" ? config?.["audit:serviceUrl"] : undefined;
  return typeof url === "string" ? url : serviceUrl(settings);
}

export interface AccessTokens {
  AUDIT_TOKEN: string;
  AUDIT_READ_TOKEN: string;
}

/** A token as returned by KV version 2; without data if it was deleted. */
interface Secret {
  data: { data: { token: string } | null };
}

/** The tokens that the program has written to Vault for their holders; undefined before the first deploy. */
export async function accessTokens(
  settings: Settings,
  state: State,
  { vaultPath }: Pick<Stack, "vaultPath"> = sandboxStack,
): Promise<AccessTokens | undefined> {
  const api = new VaultClient({ address: vaultAddress({ settings }), token: deployerToken({ state }) });
  const tokenOf = async (holder: string) => {
    const secret = (await api.request("GET", `secret/data/${vaultPath}-tokens/${holder}`)) as Secret | undefined;
    return secret?.data.data?.token;
  };
  const [writer, reader] = await Promise.all([tokenOf("writer-demo"), tokenOf("reader")]);
  return writer && reader ? { AUDIT_TOKEN: writer, AUDIT_READ_TOKEN: reader } : undefined;
}

/** @throws {UserError} if Vault is unreachable, or sealed, as after a restart of the machine */
export async function requireOpenVault(address: string): Promise<void> {
  const status = await sealStatus(new VaultClient({ address })).catch(() => undefined);
  if (status?.sealed === false) return;
  const found = status ? "is sealed, as it is after every restart" : `does not answer at ${address}`;
  throw new UserError(
    `The sandbox's Vault ${found}. Run \`make up\`: it brings back what is missing and keeps the data.`,
  );
}

/** @throws {UserError} if the stack is the cluster's, and there is no cluster */
export function requireCluster(state: State, { name }: Pick<Stack, "name">): void {
  if (name === "cluster" && !state.has(kubeconfigFile))
    throw new UserError("The sandbox has no cluster. Run `make cluster` first.");
}

/** What `make env` exports. @throws {UserError} if there is no sandbox, or it does not run */
export async function environmentOf(
  settings: Settings,
  state: State,
  stack = sandboxStack,
): Promise<Record<string, string>> {
  requireCluster(state, stack);
  const tools = toolEnvironment(settings, state, stack);
  await requireOpenVault(vaultAddress({ settings }));
  return { ...tools, ...(await accessTokens(settings, state, stack)) };
}

/** An environment as lines for `eval "$(make -s env)"`. */
export const exportLines = (environment: Readonly<Record<string, string>>): string =>
  Object.entries(environment)
    .map(([name, value]) => `export ${name}='${value.replaceAll("'", `'\\''`)}'\n`)
    .join("");
