import { readFileSync } from "node:fs";
import { generateKeyPairSync } from "node:crypto";
import { join } from "node:path";
import { VaultClient } from "../../../lib/vault/client.js";
import { DEPLOYER } from "../../../lib/vault/rights.js";
import { attempt } from "../../../offline/lib/run.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { ignoreMissing } from "../docker.js";
import { addressOf, containerName, hostName, sandboxName } from "../settings.js";
import { stackForVault, type Values } from "../stack-file.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";
import { gitlab, stateKey } from "./names.js";

export const vaultVolumes = { data: `${sandboxName}-vault`, logs: `${sandboxName}-vault-logs` } as const;

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
  const address = vaultAddress(context);
  const fresh = await initialiseAndUnseal(context, new VaultClient({ address }));
  const api = new VaultClient({ address, token: keysOf(context).rootToken });
  const registered = await registerPlugin(context, api);
  const configured = (await configure(context, api)) && registered;
  return running && !fresh && configured;
}

export const vaultAddress = ({ settings }: Pick<Context, "settings">): string =>
  `http://127.0.0.1:${settings.ports.vault}`;

/**
 * Needs no token and works in every state of Vault: https://developer.hashicorp.com/vault/api-docs/system/seal-status
 */
export const sealStatus = async (api: VaultClient): Promise<{ initialized: boolean; sealed: boolean }> =>
  (await api.request("GET", "sys/seal-status")) as { initialized: boolean; sealed: boolean };

/** The program's token, created by {@link ensureVault}. */
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
    // Memory locking is off in the configuration, as recommended for raft storage, so the entry point need not set the
    // capability.
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
 * An interrupt between Vault's answer with its keys and their being saved would lose the keys. A marker file written
 * beforehand identifies this case: such a Vault was never unsealed and is empty, so it is recreated.
 */
async function forgetHalfMade({ engine, state, progress }: Context): Promise<void> {
  if (!state.has("vault-initialising") || state.has("vault.json")) return;
  progress("an earlier run was interrupted while Vault was being initialised: recreating it");
  await engine.remove(containerName("vault"));
  for (const volume of Object.values(vaultVolumes)) {
    await ignoreMissing(engine.docker.getVolume(volume).remove());
  }
  await engine.ensureVolumes(Object.values(vaultVolumes), state.dataId);
}

/** Seals Vault and unseals it again, which starts all its mounts anew. */
export async function reopenVault(context: Context): Promise<void> {
  const address = vaultAddress(context);
  await new VaultClient({ address, token: keysOf(context).rootToken }).request("PUT", "sys/seal");
  await initialiseAndUnseal(context, new VaultClient({ address }));
}

/** @returns true if Vault was just initialised. */
async function initialiseAndUnseal(context: Context, api: VaultClient): Promise<boolean> {
  const { state, progress } = context;
  const status = await until("Vault", 60, () => sealStatus(api));
  if (!status.initialized) {
    progress("initialising");
    state.write("vault-initialising", "");
    const shares = { secret_shares: 1, secret_threshold: 1 };
    const made = (await api.request("POST", "sys/init", shares)) as { keys_base64: string[]; root_token: string };
    const [unsealKey] = made.keys_base64;
    if (!unsealKey) throw new Error("Vault answered sys/init without keys");
    state.writeJson("vault.json", { unsealKey, rootToken: made.root_token } satisfies Keys);
  }
  if (status.sealed) {
    progress("unsealing");
    const unsealed = await api.request("POST", "sys/unseal", { key: keysOf(context).unsealKey });
    if (unsealed?.sealed !== false) throw new Error("Vault did not accept its unseal key");
    // With raft, a server that was just unsealed answers 5xx until it becomes the leader.
    await until("Vault's leader", 60, async () => ((await api.send("GET", "sys/health")).status === 200 ? true : undefined)); // prettier-ignore
  }
  return !status.initialized;
}

/**
 * Vault's database engine needs a plugin for each kind of database. The official Vault has PostgreSQL's built in. The
 * one built here has it as a program in its plugin directory, which Vault runs only if it is registered with its
 * checksum.
 * @returns true when there was nothing to do.
 */
async function registerPlugin({ engine, progress }: Context, api: VaultClient): Promise<boolean> {
  const name = "postgresql-database-plugin";
  const path = `sys/plugins/catalog/database/${name}`;
  const known = (await api.request("GET", path))?.data as { builtin: boolean; sha256: string } | undefined;
  if (known?.builtin) return true;
  const [sha256] = (await engine.exec(containerName("vault"), ["sha256sum", `/vault/plugins/${name}`])).split(" ");
  if (known !== undefined && known.sha256 === sha256) return true;
  progress(`registering ${name}`);
  await api.request("POST", path, { sha256, command: name });
  return false;
}

/**
 * Does what a Vault administrator does for a real installation, with the same command, and sets up what belongs to the
 * server: an audit log, and a token for the operator.
 * @returns true if there was nothing to change.
 */
async function configure(context: Context, api: VaultClient): Promise<boolean> {
  const { state } = context;
  const [audits, token] = await Promise.all([api.request("GET", "sys/audit"), deployerTokenWorks(context)]);
  if (!("file/" in (audits?.data as object))) {
    await api.request("POST", "sys/audit/file", { type: "file", options: { file_path: "/vault/logs/audit.log" } });
  }
  const { settings } = context;
  const asPlanned = await bootstrap(context, "vault-settings.json", stackForVault(settings, state));
  if (!token) {
    const wanted = { policies: [DEPLOYER], period: "768h", display_name: "deployer" };
    const made = (await api.request("POST", "auth/token/create-orphan", wanted)) as { auth: { client_token: string } };
    state.write("vault-deployer-token", made.auth.client_token + "\n");
  }
  return token && asPlanned;
}

/**
 * Runs bootstrap/vault.ts with the sandbox's settings.
 * @param name of the file for its settings
 * @param stack the stack that Vault is set up for
 * @returns true if there was nothing to do @throws UserError with its output
 */
export async function bootstrap(context: Context, name: string, stack: Values): Promise<boolean> {
  const { settings, state } = context;
  const file = state.writeJson(name, {
    gitlab: { ...gitlab, publicKeys: [signingKey(context)] },
    audience: vaultAddress(context),
    transitKey: stateKey,
    stack,
  });
  const { ok, stdout, all } = await attempt(process.execPath, ["--import", "tsx", "bootstrap/vault.ts", file], {
    cwd: settings.root,
    // The sandbox's Vault, even if the shell is set up for another.
    env: { VAULT_ADDR: vaultAddress(context), VAULT_TOKEN: keysOf(context).rootToken, VAULT_NAMESPACE: "" },
  });
  if (!ok) throw new UserError(`Vault could not be set up: ${all.trim()}`);
  return stdout.trim() === "nothing to change";
}

/** The public key for ID tokens, PEM. */
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
  const api = new VaultClient({ address: vaultAddress(context), token });
  // Renewing proves that the token works, and keeps it alive if the sandbox is used at least once a month.
  return api.request("POST", "auth/token/renew-self", {}).then(
    () => true,
    () => false,
  );
}
