import { VaultClient, VaultFailure, type VaultReply } from "../../lib/vault/client";
import { Failure, oneLineOf, optional, required, type Job } from "./failure";
import { conceal } from "./secrets";

/** A login in Vault with the job's ID token. */
export interface VaultSession {
  readonly address: string;
  readonly token: string;
  /** Data of a KV version 2 secret; undefined if there is none. */
  readSecret(mount: string, path: string): Promise<Record<string, unknown> | undefined>;
  /** Data at a path; undefined if there is nothing. */
  read(path: string): Promise<Record<string, unknown> | undefined>;
  write(path: string, body: object): Promise<Record<string, unknown>>;
  /** Revokes the token and everything that was issued to it. Never throws, because a token also expires by itself. */
  close(): Promise<void>;
}

/**
 * Logs in with the ID token that GitLab gave the job (`id_tokens` in the job's definition).
 *
 * Variables: `VAULT_ADDR`, `VAULT_ID_TOKEN`, `VAULT_AUTH_PATH` (default `jwt`), `VAULT_NAMESPACE` (default none).
 *
 * @param role role at that mount
 * @throws Failure saying which of role, audience, claims or address is wrong
 */
export async function logIn(env: Job["env"], role: string): Promise<VaultSession> {
  const address = required(env, "VAULT_ADDR", "set it to Vault's address in Settings > CI/CD > Variables").replace(/\/+$/, ""); // prettier-ignore
  const jwt = required(
    env,
    "VAULT_ID_TOKEN",
    "the job needs `id_tokens: VAULT_ID_TOKEN`, which GitLab 15.7 and newer give",
  );
  const mount = optional(env, "VAULT_AUTH_PATH") ?? "jwt";
  conceal(jwt);
  const namespace = oneLineOf(env, "VAULT_NAMESPACE");

  const call = async (method: string, path: string, token?: string, body?: object): Promise<VaultReply> => {
    try {
      return await new VaultClient({ address, namespace, token }).send(method, path, body);
    } catch (error) {
      throw error instanceof VaultFailure ? new Failure(error.message) : error;
    }
  };

  const login = await call("POST", `auth/${mount}/login`, undefined, { role, jwt });
  const { client_token: token } = (login.answer.auth ?? {}) as { client_token?: string };
  if (login.status !== 200 || token === undefined) throw refused(login, role, mount, jwt);
  conceal(token);

  const data = ({ answer }: VaultReply) => (answer.data ?? undefined) as Record<string, unknown> | undefined;
  return {
    address,
    token,
    readSecret: async (secrets, path) => {
      const found = await call("GET", `${secrets}/data/${path}`, token);
      if (found.status === 404) return undefined;
      if (found.status !== 200) throw new Failure(`Vault role ${role} may not read ${secrets}/${path}: ${why(found)}`);
      return (data(found)?.data ?? undefined) as Record<string, unknown> | undefined;
    },
    read: async (path) => {
      const found = await call("GET", path, token);
      if (found.status === 404) return undefined;
      if (found.status !== 200) throw new Failure(`Vault role ${role} may not read ${path}: ${why(found)}`);
      return data(found);
    },
    write: async (path, body) => {
      const made = await call("PUT", path, token, body);
      if (made.status >= 300) throw new Failure(`Vault refused ${path} to role ${role}: ${why(made)}`);
      return data(made) ?? {};
    },
    close: () => call("POST", "auth/token/revoke-self", token).then(
      () => undefined,
      () => undefined,
    ), // prettier-ignore
  };
}

const why = ({ status, errors }: VaultReply): string => [...errors, `status ${status}`].join(", ");

function refused({ status, errors }: VaultReply, role: string, mount: string, jwt: string): Failure {
  const text = errors.join(", ");
  if (/role .*could not be found/.test(text)) {
    return new Failure(
      `Vault has no role ${role} at auth/${mount}; make it as docs/guide.md says, or name another in VAULT_ROLE`,
    );
  }
  if (text.includes("audience")) {
    return new Failure(
      `Vault role ${role} is not for the audience of the job's token, ${audience(jwt)}; make bound_audiences of the role and VAULT_ADDR the same`,
    );
  }
  if (/claim .*does not match/.test(text)) {
    return new Failure(`Vault role ${role} is not for this pipeline: ${text}; see bound_claims of the role`);
  }
  if (status === 403 || status === 404) {
    return new Failure(
      `Vault does not know auth/${mount} (${text || status}); enable it as docs/guide.md says, or set VAULT_AUTH_PATH`,
    );
  }
  return new Failure(`Vault refused the login as ${role}: ${text || `status ${status}`}`);
}

/** The token's `aud`, for the message; it is not secret. */
function audience(jwt: string): string {
  try {
    const claims = JSON.parse(Buffer.from(jwt.split(".")[1] ?? "", "base64url").toString()) as { aud?: unknown };
    return JSON.stringify(claims.aud);
  } catch {
    return "which cannot be read";
  }
}
