import { fitsHeader, headersOf, UNFIT } from "../header-text";
import { whyNoAnswer } from "../unknown-authority";

/** Vault refused a request or does not answer. */
export class VaultFailure extends Error {
  constructor(
    message: string,
    /** HTTP status; undefined if there was no answer. */
    readonly status?: number,
  ) {
    super(message);
  }
}

/**
 * Value of an environment variable that must be set.
 *
 * @throws VaultFailure that names it and says what to do
 */
export function setting(name: string, cure: string): string {
  // A token from a file or a form may end with a line break, which is invalid in a header.
  const value = process.env[name]?.trim();
  if (value === undefined || value === "") throw new VaultFailure(`${name} is not set; ${cure}`);
  return value;
}

/** A setting that must be printable ASCII, because it becomes a header or part of the address. */
function plainSetting(name: string, cure: string): string {
  const value = setting(name, cure);
  if (!fitsHeader(value)) throw new VaultFailure(`${name} ${UNFIT}`);
  return value;
}

/** Vault's address, and the login. */
export interface VaultAccess {
  readonly address: string;
  /** Default: none, for paths that need no login. */
  readonly token?: string;
  readonly namespace?: string;
}

/** Vault's answer: https://developer.hashicorp.com/vault/api-docs#http-status-codes */
export interface VaultReply {
  readonly status: number;
  /** Empty when there was no body. */
  readonly answer: Record<string, unknown>;
  readonly errors: readonly string[];
}

/** Client of Vault's HTTP API for the program, the pipeline's jobs, bootstrap and the sandbox. */
export class VaultClient {
  readonly #base: string;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws VaultFailure for an address with a login, which fetch()'s errors would repeat */
  constructor({ address, token, namespace }: VaultAccess) {
    if (address.includes("@"))
      throw new VaultFailure("VAULT_ADDR must not hold a login; the token comes from VAULT_TOKEN");
    this.#base = address.replace(/\/+$/, "");
    this.#headers = {
      "X-Vault-Request": "true",
      ...(token ? { "X-Vault-Token": token } : {}),
      ...(namespace ? { "X-Vault-Namespace": namespace } : {}),
    };
  }

  /**
   * Sends one request and returns any answer of Vault.
   *
   * @throws VaultFailure in one line if there is no answer, or not one from Vault
   */
  async send(
    method: string,
    path: string,
    body?: object,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<VaultReply> {
    const sent = headersOf({ ...this.#headers, ...headers });
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#base}/v1/${path}`, {
        method,
        headers: sent,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(30_000),
      });
      text = await response.text();
    } catch (error) {
      throw new VaultFailure(`Vault at ${this.#base} (VAULT_ADDR) does not answer: ${whyNoAnswer(error)}`);
    }
    const answer = parse(text);
    if (answer === undefined)
      throw new VaultFailure(
        `VAULT_ADDR ${this.#base} answered ${response.status} with something that is not Vault's JSON`,
      );
    return { status: response.status, answer, errors: (answer.errors ?? []) as string[] };
  }

  /**
   * Sends one request that must succeed.
   *
   * @returns the whole answer, an empty object if it has no body, or undefined if there is nothing at the path (404)
   * @throws VaultFailure in one line, without the body that was sent
   */
  async request(
    method: string,
    path: string,
    body?: object,
    headers?: Readonly<Record<string, string>>,
  ): Promise<Record<string, unknown> | undefined> {
    const { status, answer, errors } = await this.send(method, path, body, headers);
    if (status === 404) return undefined;
    if (status < 200 || status > 299)
      throw new VaultFailure(
        `Vault answered ${status} to ${method} ${path}: ${errors.join("; ") || "no reason"}`,
        status,
      );
    return answer;
  }
}

/** {@link VaultClient.request} with VAULT_ADDR, VAULT_TOKEN and VAULT_NAMESPACE, as for the vault CLI. */
export async function vaultRequest(
  method: string,
  path: string,
  body?: object,
  headers?: Readonly<Record<string, string>>,
): Promise<Record<string, unknown> | undefined> {
  const client = new VaultClient({
    address: plainSetting("VAULT_ADDR", "set it to Vault's address, for example https://vault.example.com:8200"),
    token: plainSetting("VAULT_TOKEN", "log in to Vault, for example with `vault login`, and export the token"),
    namespace: process.env.VAULT_NAMESPACE?.trim() ? plainSetting("VAULT_NAMESPACE", "") : undefined,
  });
  return client.request(method, path, body, headers);
}

/** @returns undefined if it is not a JSON object */
function parse(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = text === "" ? {} : JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
