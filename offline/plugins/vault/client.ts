import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import path from "node:path";
import { textOf } from "./fields.js";

import { VaultHttp, type Answer, type HttpSettings, type VaultRequest } from "./http.js";

export interface VaultSettings extends HttpSettings {
  /** Empty: VAULT_TOKEN, then `~/.vault-token`. */
  token: string;
  namespace: string | undefined;
  /** Use the token itself, instead of a child of it. */
  skipChildToken: boolean;
  /** What the child token may live, in seconds. */
  maxLeaseTtlSeconds: number;
  tokenName: string;
  /** Log in with a JWT instead of a token. */
  jwtLogin: { mount: string; role: string; jwt: string } | undefined;
}

interface Session {
  token: string;
  namespace: string | undefined;
}

/**
 * A client of Vault's API that logs in at its first request, as the genuine plugin does: with the token it is given, or a JWT, and then, unless
 * told otherwise, with a child token that cannot be renewed.
 */
export class VaultClient {
  private readonly http: VaultHttp;
  private session: Promise<Session> | undefined;

  /** @throws Error when a setting is no good; nothing is sent yet */
  constructor(private readonly settings: VaultSettings) {
    this.http = new VaultHttp(settings);
  }

  close(): void {
    this.http.close();
  }

  /** Undefined when there is nothing at this path. */
  async read(path: string): Promise<Answer | undefined> {
    return this.request({ method: "GET", path });
  }

  async write(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer | undefined> {
    return this.request({ method: "PUT", path, body, headers });
  }

  async delete(path: string): Promise<void> {
    await this.request({ method: "DELETE", path });
  }

  private async request(
    request: Omit<VaultRequest, "headers"> & { headers?: Record<string, string> },
  ): Promise<Answer | undefined> {
    this.session ??= this.logIn();
    // A failed login is not kept: Vault may be unsealed a moment later.
    this.session.catch(() => (this.session = undefined));
    const { token, namespace } = await this.session;
    return this.http.send({ ...request, headers: { ...request.headers, ...headersFor(token, namespace) } });
  }

  private async logIn(): Promise<Session> {
    const { settings } = this;
    const token = settings.jwtLogin === undefined ? givenToken(settings.token) : await this.jwtLogin(settings.jwtLogin);
    if (token === "") {
      throw new Error("no vault token set on Client; set the provider's token, or VAULT_TOKEN in the environment");
    }
    const self = await this.http
      .send({ method: "GET", path: "auth/token/lookup-self", headers: headersFor(token) })
      .catch((error: unknown) => {
        throw new Error(`failed to lookup token, err=${(error as Error).message}`, { cause: error });
      });
    const own = textOf(self?.data?.namespace_path).replace(/^\/+|\/+$/g, "");
    const tokenNamespace = own === "" ? undefined : own;
    const namespace = settings.namespace ?? tokenNamespace;
    if (settings.skipChildToken) return { token, namespace };
    const ttl = `${settings.maxLeaseTtlSeconds}s`;
    const child = await this.http
      .send({
        method: "POST",
        path: "auth/token/create",
        // A child is always made in the namespace of its parent.
        headers: headersFor(token, tokenNamespace),
        body: { display_name: settings.tokenName, ttl, explicit_max_ttl: ttl, renewable: false },
      })
      .catch((error: unknown) => {
        throw new Error(`failed to create limited child token: ${(error as Error).message}`, { cause: error });
      });
    return { token: child?.auth?.client_token ?? "", namespace };
  }

  private async jwtLogin(login: NonNullable<VaultSettings["jwtLogin"]>): Promise<string> {
    const answer = await this.http.send({
      method: "PUT",
      path: `auth/${login.mount}/login`,
      headers: headersFor(undefined, this.settings.namespace),
      body: { role: login.role, jwt: login.jwt },
    });
    return answer?.auth?.client_token ?? "";
  }
}

function headersFor(token: string | undefined, namespace?: string): Record<string, string> {
  return {
    ...(token === undefined ? {} : { "X-Vault-Token": token }),
    ...(namespace === undefined ? {} : { "X-Vault-Namespace": namespace }),
  };
}

function givenToken(token: string): string {
  if (token !== "") return token;
  const environment = process.env.VAULT_TOKEN ?? "";
  if (environment !== "") return environment;
  try {
    return readFileSync(path.join(homedir(), ".vault-token")).toString().trim();
  } catch {
    return "";
  }
}
