import { readFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { DEPLOYER, planVault } from "../../../bootstrap/plan.js";
import { parseVaultSettings } from "../../../bootstrap/settings.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { applyVaultPlan } from "../../../vault-agent/plan.js";
import { ignoreMissing } from "../docker.js";
import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { stackForVault } from "../stack-file.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";
import { VaultApi } from "./vault-api.js";

export const vaultVolumes = { data: `${sandboxName}-vault`, logs: `${sandboxName}-vault-logs` } as const;
/** Transit key that encrypts the secrets in the stack's state. */
export const stateKey = "pulumi-sandbox";
/** GitLab that signs the pipeline's ID tokens: nobody but the key in `.sandbox/gitlab/`, see test/e2e/support/id-token.ts. */
export const gitlab = { url: "https://gitlab.sandbox.test", project: "team/audit" } as const;

interface Keys {
  unsealKey: string;
  rootToken: string;
}

/**
 * A real Vault server: raft storage on a volume, an audit log, one unseal key. The sandbox keeps that key in
 * `.sandbox/vault.json` and unseals Vault after every start, which a real installation leaves to its operators or an HSM.
 * @returns true when there was nothing to do.
 */
export async function ensureVault(context: Context, image: string): Promise<boolean> {
  await forgetHalfMade(context);
  const running = await ensureServer(context, image);
  const api = new VaultApi(vaultAddress(context));
  const fresh = await initialiseAndUnseal(context, api);
  const { rootToken } = keysOf(context);
  api.token = rootToken;
  const registered = await registerPlugin(context, api);
  const configured = (await configure(context, api)) && registered;
  return running && !fresh && configured;
}

export const vaultAddress = ({ settings }: Pick<Context, "settings">): string =>
  `http://127.0.0.1:${settings.ports.vault}`;

/** The program's token; made by {@link ensureVault}. */
export const deployerToken = ({ state }: Pick<Context, "state">): string | undefined =>
  state.readText("vault-deployer-token")?.trim();

export function keysOf({ state }: Pick<Context, "state">): Keys {
  const keys = state.readJson<Keys>("vault.json");
  if (!keys) {
    throw new UserError(
      `Vault is initialised, but its keys are not in ${state.path("vault.json")}, so it cannot be unsealed. ` +
        `Put that file back, or run \`make down DATA=delete\` to remove the sandbox's data, then \`make up\`.`,
    );
  }
  return keys;
}

async function ensureServer({ engine, settings }: Context, image: string): Promise<boolean> {
  return engine.ensureContainer({
    name: containerName("vault"),
    image,
    hostname: hostName("vault"),
    address: addressOf(settings, "vault"),
    command: ["server"],
    // Memory locking is off in the configuration, as raft storage recommends, so the entry point need not prepare for it.
    env: { SKIP_SETCAP: "true", VAULT_ADDR: "http://127.0.0.1:8200" },
    files: [
      {
        path: "/vault/config/vault.hcl",
        content: readFileSync(join(settings.root, "sandbox/platform/vault.hcl"), "utf8"),
      },
    ],
    volumes: { [vaultVolumes.data]: "/vault/file", [vaultVolumes.logs]: "/vault/logs" },
    ports: { 8200: settings.ports.vault },
  });
}

/**
 * Between Vault's answer with its keys and their being written down an interrupt would lose them. A note made before
 * tells that case: such a Vault was never unsealed and holds nothing, so it is made anew.
 */
async function forgetHalfMade({ engine, state, progress }: Context): Promise<void> {
  if (!state.has("vault-initialising") || state.has("vault.json")) return;
  progress("an earlier run was interrupted while Vault was being initialised: starting it anew");
  await engine.remove(containerName("vault"));
  for (const volume of Object.values(vaultVolumes)) {
    await ignoreMissing(engine.docker.getVolume(volume).remove());
  }
  await engine.ensureVolumes(Object.values(vaultVolumes), state.dataId);
}

/** @returns true when Vault was just initialised. */
async function initialiseAndUnseal(context: Context, api: VaultApi): Promise<boolean> {
  const { state, progress } = context;
  const status = await until("Vault", 60, () => api.sealStatus());
  if (!status.initialized) {
    progress("initialising");
    state.write("vault-initialising", "");
    const made = await api.write<{ keys_base64: string[]; root_token: string }>("sys/init", {
      secret_shares: 1,
      secret_threshold: 1,
    });
    const [unsealKey] = made.keys_base64;
    if (!unsealKey) throw new Error("Vault answered sys/init without keys");
    state.writeJson("vault.json", { unsealKey, rootToken: made.root_token } satisfies Keys);
  }
  if (status.sealed) {
    progress("unsealing");
    const { sealed } = await api.write<{ sealed: boolean }>("sys/unseal", { key: keysOf(context).unsealKey });
    if (sealed) throw new Error("Vault did not accept its unseal key");
    // With raft a server that was just unsealed answers 5xx until it has become the leader.
    await until("Vault's leader", 60, async () => ((await api.health()) === 200 ? true : undefined));
  }
  return !status.initialized;
}

/**
 * Vault's engine for databases needs a plugin for each kind. The official Vault has PostgreSQL's built in; the one built here has
 * it as a program in its plugin directory, which Vault runs only if it is registered with its checksum.
 * @returns true when there was nothing to do.
 */
async function registerPlugin({ engine, progress }: Context, api: VaultApi): Promise<boolean> {
  const name = "postgresql-database-plugin";
  const path = `sys/plugins/catalog/database/${name}`;
  const known = await api.find<{ builtin: boolean; sha256: string }>(path);
  if (known?.builtin) return true;
  const [sha256] = (await engine.exec(containerName("vault"), ["sha256sum", `/vault/plugins/${name}`])).split(" ");
  if (known !== undefined && known.sha256 === sha256) return true;
  progress(`registering ${name}`);
  await api.write(path, { sha256, command: name });
  return false;
}

/**
 * What an administrator of Vault does for a real installation, by the same plan, and what belongs to the server: an audit log,
 * and a token for whoever plays the operator.
 * @returns true when everything was as it should be.
 */
async function configure(context: Context, api: VaultApi): Promise<boolean> {
  const { state } = context;
  const plan = planVault(
    parseVaultSettings(
      {
        gitlab: { ...gitlab, publicKeys: [signingKey(context)] },
        audience: vaultAddress(context),
        transitKey: stateKey,
        stack: stackForVault(context.settings, state),
      },
      "the sandbox's settings for Vault",
    ),
  );
  const [audits, token] = await Promise.all([
    api.read<Record<string, unknown>>("sys/audit"),
    deployerTokenWorks(context),
  ]);
  if (!("file/" in audits)) {
    await api.write("sys/audit/file", { type: "file", options: { file_path: "/vault/logs/audit.log" } });
  }
  const changes = await applyVaultPlan((method, path, body) => api.ask(method, path, body), plan);
  if (!token) {
    const made = await api.write<{ auth: { client_token: string } }>("auth/token/create-orphan", {
      policies: [DEPLOYER],
      period: "768h",
      display_name: "deployer",
    });
    state.write("vault-deployer-token", made.auth.client_token + "\n");
  }
  return token && changes.length === 0;
}

/** The public half of the key that signs ID tokens, PEM. */
function signingKey({ state }: Context): string {
  const known = state.readText("gitlab/public.pem");
  if (known !== undefined) return known.trim();
  const { publicKey, privateKey } = generateKeyPairSync("rsa", {
    modulusLength: 2048,
    publicKeyEncoding: { type: "spki", format: "pem" },
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
  });
  state.write("gitlab/private.pem", privateKey);
  state.write("gitlab/public.pem", publicKey);
  return publicKey.trim();
}

async function deployerTokenWorks(context: Context): Promise<boolean> {
  const token = deployerToken(context);
  if (!token) return false;
  const api = new VaultApi(vaultAddress(context), token);
  // Renewing tells that the token works and keeps it alive as long as the sandbox is used once a month.
  return api.write("auth/token/renew-self", {}).then(
    () => true,
    () => false,
  );
}
