import { fitsHeader, headersOf, UNFIT } from "../header-text";
import { whyNoAnswer } from "../unknown-authority";

/** Vault refused, or does not answer. */
export class VaultFailure extends Error {
  constructor(
    message: string,
    /** HTTP status; undefined when there was no answer. */
    readonly status?: number,
  ) {
    super(message);
  }
}

function setting(name: string, cure: string): string {
  // A token from a file or a form may end with a line break, which no header takes.
  const value = process.env[name]?.trim();
  if (value === undefined || value === "") throw new VaultFailure(`${name} is not set; ${cure}`);
  return value;
}

/** A setting of which every character is printable ASCII: it becomes a header, or part of the address. */
function plainSetting(name: string, cure: string): string {
  const value = setting(name, cure);
  if (!fitsHeader(value)) throw new VaultFailure(`${name} ${UNFIT}`);
  return value;
}

/**
 * One request to Vault's HTTP API, by VAULT_ADDR, VAULT_TOKEN and VAULT_NAMESPACE as for the vault CLI.
 *
 * @returns the whole answer, an empty object when it has no body; undefined when there is nothing at the path (404)
 * @throws VaultFailure in one line, without the body that was sent
 */
export async function vaultRequest(
  method: string,
  path: string,
  body?: object,
  headers: Readonly<Record<string, string>> = {},
): Promise<Record<string, unknown> | undefined> {
  const address = plainSetting("VAULT_ADDR", "set it to Vault's address, for example https://vault.example.com:8200");
  if (address.includes("@"))
    throw new VaultFailure("VAULT_ADDR must not hold a login; the token comes from VAULT_TOKEN");
  const token = plainSetting("VAULT_TOKEN", "log in to Vault, for example with `vault login`, and export the token");
  const namespace = process.env.VAULT_NAMESPACE?.trim() ? plainSetting("VAULT_NAMESPACE", "") : undefined;
  const sent = headersOf({
    "X-Vault-Token": token,
    "X-Vault-Request": "true",
    ...(namespace === undefined ? {} : { "X-Vault-Namespace": namespace }),
    ...headers,
  });
  let response: Response;
  try {
    response = await fetch(`${address.replace(/\/+$/, "")}/v1/${path}`, {
      method,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
  } catch (error) {
    throw new VaultFailure(`Vault at ${address} does not answer: ${whyNoAnswer(error)}`);
  }
  const text = await response.text();
  const answer = parse(text) as { errors?: string[] };
  if (response.status === 404) return undefined;
  if (!response.ok) {
    const reason = answer.errors?.join("; ") ?? response.statusText;
    throw new VaultFailure(`Vault answered ${response.status} to ${method} ${path}: ${reason}`, response.status);
  }
  return answer;
}

function parse(text: string): object {
  try {
    return (text === "" ? {} : JSON.parse(text)) as object;
  } catch {
    return {};
  }
}
