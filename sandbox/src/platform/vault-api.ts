/** The few requests to Vault's HTTP API that the sandbox and its tests make. */
export class VaultApi {
  constructor(
    private readonly address: string,
    public token?: string,
  ) {}

  /** Seal status needs no token and answers in every state (https://developer.hashicorp.com/vault/api-docs/system/seal-status). */
  async sealStatus(): Promise<{ initialized: boolean; sealed: boolean }> {
    return this.request("GET", "sys/seal-status");
  }

  /** HTTP status of the health check: 200 active, 429 standby, 501 not initialised, 503 sealed. */
  async health(): Promise<number> {
    const response = await fetch(`${this.address}/v1/sys/health`, { signal: AbortSignal.timeout(5_000) });
    await response.body?.cancel();
    return response.status;
  }

  /** @returns the answer's `data`. */
  async read<T>(path: string): Promise<T> {
    const { data } = await this.request<{ data: T }>("GET", path);
    return data;
  }

  /** As {@link read}, but undefined when there is nothing at the path. */
  async find<T>(path: string): Promise<T | undefined> {
    try {
      return await this.read<T>(path);
    } catch (error) {
      if ((error as VaultError).status === 404) return undefined;
      throw error;
    }
  }

  /** @returns the whole answer; an empty object when there is none. */
  async write<T = unknown>(path: string, body: object): Promise<T> {
    return this.request("POST", path, body);
  }

  async delete(path: string): Promise<void> {
    await this.request("DELETE", path);
  }

  private async request<T>(method: string, path: string, body?: object): Promise<T> {
    const response = await fetch(`${this.address}/v1/${path}`, {
      method,
      headers: { "x-vault-request": "true", ...(this.token ? { "x-vault-token": this.token } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (!response.ok) throw new VaultError(method, path, response.status, text);
    return (text ? JSON.parse(text) : {}) as T;
  }
}

export class VaultError extends Error {
  constructor(
    method: string,
    path: string,
    readonly status: number,
    answer: string,
  ) {
    super(`Vault: ${method} ${path}: ${status} ${answer.trim()}`);
    this.name = "VaultError";
  }
}
