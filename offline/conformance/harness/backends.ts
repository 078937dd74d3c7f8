/** How the suite reaches a real server. */
export interface Backend {
  /** e.g. `http://127.0.0.1:8200`, `postgres://user:password@127.0.0.1:5432/postgres` */
  readonly url: string;
  /** Vault's token, Grafana's `user:password`; empty for PostgreSQL, whose URL holds it. */
  readonly token: string;
}

export type BackendName = "vault" | "postgres" | "grafana";

const SETTINGS: Record<BackendName, { url: string; token?: string }> = {
  vault: { url: "CONFORMANCE_VAULT_ADDR", token: "CONFORMANCE_VAULT_TOKEN" },
  postgres: { url: "CONFORMANCE_POSTGRES_URL" },
  grafana: { url: "CONFORMANCE_GRAFANA_URL", token: "CONFORMANCE_GRAFANA_AUTH" },
};

/** Why `setup.ts` could not start a server; told by the tests that need it. */
const problem = (name: BackendName): string => `CONFORMANCE_${name.toUpperCase()}_PROBLEM`;

/** @throws when there is no such server: a suite that skips would pass on nothing */
export function backend(name: BackendName): Backend {
  const { url, token } = SETTINGS[name];
  const address = process.env[url];
  if (address === undefined) {
    throw new Error(`no ${name} to test against: ${process.env[problem(name)] ?? `set ${url}`}`);
  }
  return { url: address.replace(/\/$/, ""), token: token === undefined ? "" : (process.env[token] ?? "") };
}

export function given(name: BackendName): boolean {
  return process.env[SETTINGS[name].url] !== undefined;
}

export function provide(name: BackendName, { url, token }: Backend): void {
  const settings = SETTINGS[name];
  process.env[settings.url] = url;
  if (settings.token !== undefined) {
    process.env[settings.token] = token;
  }
}

export function missing(name: BackendName, reason: string): void {
  process.env[problem(name)] = reason;
}
