import { backend } from "./backends.js";

/** Vault's HTTP API with the root token; a 404 answers undefined. */
export async function vaultApi<T = Record<string, unknown>>(
  method: string,
  path: string,
  body?: unknown,
): Promise<T | undefined> {
  const { url, token } = backend("vault");
  const response = await fetch(`${url}/v1/${path}`, {
    method,
    headers: { "X-Vault-Token": token },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  if (response.status === 404) {
    return undefined;
  }
  const text = await response.text();
  if (!response.ok) {
    throw new Error(`${method} ${path}: ${response.status} ${text}`);
  }
  return text === "" ? undefined : (JSON.parse(text) as T);
}
