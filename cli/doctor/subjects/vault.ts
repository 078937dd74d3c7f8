import { inVault } from "../../../config/in-vault";
import { NAMESPACE } from "../../../config/errors";
import { VaultFailure, type VaultReply } from "../../../lib/vault/client";
import { applyVaultPlan } from "../../../lib/vault/plan";
import { planAgents, SERVICE_AGENT } from "../../../lib/vault/rights";
import { failure, ok, skipped, warning, type Check, type Finding, type Subject } from "../check";
import { duration } from "../../time";
import type { Access } from "../access";

const BOOTSTRAP = "an administrator of Vault runs bootstrap/vault.ts vault.json (docs/guide.md, step 3)";
const HOUR = 3600;

async function seal({ vaultOpen, values }: Access): Promise<Finding> {
  const { answer, status } = await vaultOpen("sys/seal-status");
  if (status !== 200 || typeof answer.sealed !== "boolean")
    return failure(
      `${values.vaultAddress} answers ${status}, and not as Vault does`,
      `correct ${NAMESPACE}:vaultAddress`,
    );
  if (answer.initialized === false)
    return failure("Vault is not initialized", "its administrator runs `vault operator init`");
  if (answer.sealed)
    return failure("Vault is sealed", "its administrators run `vault operator unseal`; in the sandbox: make up");
  return ok(`Vault ${String(answer.version)} is unsealed`);
}

async function token({ vault }: Access): Promise<Finding> {
  const { status, answer } = await vault("GET", "auth/token/lookup-self");
  if (status !== 200) return failure(`Vault refuses VAULT_TOKEN (${status})`, "log in again, and export the new token");
  const { ttl, policies = [] } = answer.data as { ttl: number; policies?: string[] };
  if (policies.includes("root"))
    return warning("VAULT_TOKEN is a root token", "deploy with a token of the policy audit-deployer");
  if (ttl > 0 && ttl < HOUR / 4)
    return warning(`VAULT_TOKEN ends in ${Math.round(ttl / 60)} minutes`, "log in again before a deploy");
  return ok(
    `VAULT_TOKEN has ${policies.filter((name) => name !== "default").join(", ") || "no policy"}${ttl > 0 ? `, for ${duration(ttl)}` : ""}`,
  );
}

/** What a deploy does, as Vault answers for this token: nothing is written to find out. */
async function capabilities({ vault, values, stackFile }: Access): Promise<Finding> {
  const { vaultMount: mount, vaultPath: path, platform } = values;
  const { engine, key } = stateKey(stackFile());
  const wanted: Record<string, string> = {
    [`${mount}/data/${path}`]: "create",
    [`${mount}/data/${path}-tokens/reader`]: "create",
    ...(platform === "kubernetes" ? {} : { [`auth/approle/role/${SERVICE_AGENT}/secret-id`]: "update" }),
    [`${engine}/encrypt/${key}`]: "update",
    [`${engine}/decrypt/${key}`]: "update",
  };
  const { status, answer } = await vault("POST", "sys/capabilities-self", { paths: Object.keys(wanted) });
  if (status !== 200) return skipped(`Vault does not tell this token what it may do (${status})`);
  const missing = Object.entries(wanted).filter(([at, right]) => {
    const has = (answer[at] ?? []) as string[];
    return !has.includes(right) && !has.includes("root");
  });
  if (missing.length === 0) return ok("the token may write the secrets, issue secret_ids and use the state's key");
  return failure(
    `the token may not ${missing.map(([at, right]) => `${right} ${at}`).join(", ")}`,
    `log in with the policy audit-deployer; if it lacks them, ${BOOTSTRAP}`,
  );
}

/** Vault's key for the state, by the stack's file: `hashivault://KEY`, or `hashivault://KEY?engine=MOUNT`. */
function stateKey({ secretsprovider }: Record<string, unknown>): { engine: string; key: string } {
  const text = typeof secretsprovider === "string" ? secretsprovider : "";
  const [, key = "pulumi", query] = /^hashivault:\/\/([^?]+)(?:\?(.*))?$/.exec(text) ?? [];
  return { engine: new URLSearchParams(query).get("engine") ?? "transit", key };
}

async function mount({ vault, values }: Access): Promise<Finding> {
  const { status, answer } = await vault("GET", "sys/mounts");
  if (status !== 200) return skipped(`the token may not list mounts (${status})`);
  const found = (
    (answer.data ?? answer) as Record<string, { type?: string; options?: { version?: string } | null } | undefined>
  )[`${values.vaultMount}/`];
  const wanted = `KV version 2 at ${values.vaultMount}`;
  if (found === undefined) return failure(`Vault has no ${wanted}`, BOOTSTRAP);
  if (found.type !== "kv" || found.options?.version !== "2")
    return failure(
      `Vault has ${found.type ?? "?"} version ${found.options?.version ?? "1"} at ${values.vaultMount}`,
      `have ${wanted}, or set ${NAMESPACE}:vaultMount`,
    );
  return ok(`Vault has ${wanted}`);
}

/** As a deploy checks it before it changes anything (steps/check-agents.ts). */
async function agents({ vault, values }: Access): Promise<Finding> {
  if (values.vaultPolicies === "program") return skipped(`${NAMESPACE}:vaultPolicies program: the deploy writes them`);
  const { stack, bootstrap } = inVault(values);
  try {
    const differences = await applyVaultPlan(
      (method, path) => answered(vault(method as "GET", path), method, path),
      planAgents(stack),
      true,
    );
    if (differences.length === 0) return ok("policies and roles of the agents are as this stack needs them");
    return failure(`differs: ${differences.join("; ")}`, `${BOOTSTRAP}, with "stack": ${JSON.stringify(bootstrap)}`);
  } catch (error) {
    if (error instanceof VaultFailure && error.status === 403)
      return failure(
        "the token may not read the agents' policies and roles",
        `log in with the policy audit-deployer; if it lacks that, ${BOOTSTRAP}`,
      );
    throw error;
  }
}

async function answered(
  reply: Promise<VaultReply>,
  method: string,
  path: string,
): Promise<Record<string, unknown> | undefined> {
  const { status, answer, errors } = await reply;
  if (status === 404) return undefined;
  if (status < 200 || status > 299)
    throw new VaultFailure(`Vault answered ${status} to ${method} ${path}: ${errors.join("; ")}`, status);
  return answer;
}

async function whole({ bootstrap }: Access): Promise<Finding> {
  const settings = await bootstrap();
  if (settings === undefined)
    return skipped("name the file of bootstrap with --vault-settings vault.json to compare all of it");
  try {
    const differences = await settings.vault();
    if (differences.length === 0) return ok("bootstrap has nothing to change");
    return failure(`bootstrap would change: ${differences.join("; ")}`, BOOTSTRAP);
  } catch (error) {
    if (error instanceof VaultFailure && error.status === 403)
      return skipped("this token may not look; an administrator's token could");
    throw error;
  }
}

async function jwt({ vault }: Access): Promise<Finding> {
  const { status, answer } = await vault("GET", "sys/auth");
  if (status !== 200) return skipped(`the token may not list auth methods (${status})`);
  const methods = (answer.data ?? answer) as Record<string, { type?: string } | undefined>;
  const kinds = Object.values(methods).map((method) => method?.type);
  if (!kinds.includes("jwt")) return warning("Vault has no auth method jwt: the pipeline cannot log in", BOOTSTRAP);
  const role = await vault("GET", "auth/jwt/role/audit-ci-deploy");
  if (role.status === 404)
    return failure("Vault has no JWT role audit-ci-deploy: the job deploy cannot log in", BOOTSTRAP);
  return ok(
    role.status === 200
      ? "the pipeline's jobs log in as audit-ci-deploy"
      : "Vault has the auth method jwt for the pipeline's jobs",
  );
}

/** Whether Vault can ask the cluster about a pod's token; who the pods are is in the agents' roles. */
async function clusterLogin({ vault, values }: Access): Promise<Finding> {
  const mount = `auth/${values.vaultKubernetesMount}`;
  const { status, answer } = await vault("GET", `${mount}/config`);
  if (status === 403) return skipped(`the token may not read ${mount}/config; it may once bootstrap has run again`);
  const { kubernetes_host: host, token_reviewer_jwt_set: hasReviewer } = (answer.data ?? {}) as { kubernetes_host?: string; token_reviewer_jwt_set?: boolean }; // prettier-ignore
  const cure = `an administrator of Vault runs vault write ${mount}/config … (docs/cluster.md, step 2)`;
  if (status !== 200 || !host) return failure(`Vault does not know which cluster to ask at ${mount}`, cure);
  if (hasReviewer === false)
    return warning(`Vault asks ${host} about pods' tokens without a login of its own (token_reviewer_jwt)`, cure);
  return ok(`Vault asks ${host} about pods' tokens`);
}

const checks: readonly Check[] = [
  { id: "vault-seal", title: "seal", run: seal },
  { id: "vault-token", title: "token", needs: "vault-seal", run: token },
  { id: "vault-mount", title: "secrets engine", needs: "vault-token", run: mount },
  { id: "vault-rights", title: "the deploy's rights", needs: "vault-token", run: capabilities },
  { id: "vault-agents", title: "the agents' policies and roles", needs: "vault-token", run: agents },
  { id: "vault-jwt", title: "the pipeline's login", needs: "vault-token", run: jwt },
  { id: "vault-bootstrap", title: "all of bootstrap", needs: "vault-token", run: whole },
];

export const vault: Subject = { name: "Vault", checks };

export const vaultOfCluster: Subject = {
  name: "Vault",
  checks: [...checks, { id: "vault-cluster", title: "the pods' login", needs: "vault-agents", run: clusterLogin }],
};
