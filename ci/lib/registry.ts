import { createHash } from "node:crypto";
import { Failure, reason } from "./failure";
import type { Harbor } from "./harbor";

/** Kinds of manifest an image can have; an index holds several platforms or attestations. */
const KINDS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export interface Manifest {
  readonly digest: string;
  readonly kind: string;
  readonly body: Buffer;
}

/** The part of the OCI distribution API that promoting an image takes: Harbor's and any other registry's. */
export class Registry {
  readonly #base: string;
  #authorization: string | undefined;

  constructor(private readonly harbor: Harbor) {
    this.#base = `${harbor.url}/v2/`;
  }

  /** Manifest of a tag or digest; undefined when there is none. */
  async manifest(repository: string, reference: string): Promise<Manifest | undefined> {
    const response = await this.#call(repository, "GET", `manifests/${reference}`, { accept: KINDS });
    if (response.status === 404) return undefined;
    if (!response.ok) throw await this.#refusal(response, `reading ${repository}:${reference}`);
    const body = Buffer.from(await response.arrayBuffer());
    return {
      // Computed, not believed: the digest is what is deployed.
      digest: `sha256:${createHash("sha256").update(body).digest("hex")}`,
      kind: response.headers.get("content-type") ?? "",
      body,
    };
  }

  /** Gives a manifest that the repository has a further tag; no layer is moved. */
  async tag(repository: string, tag: string, manifest: Manifest): Promise<void> {
    const response = await this.#call(
      repository,
      "PUT",
      `manifests/${tag}`,
      { "content-type": manifest.kind },
      manifest.body,
    );
    if (!response.ok) throw await this.#refusal(response, `tagging ${repository}:${tag}`);
  }

  async #call(
    repository: string,
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: Buffer,
  ): Promise<Response> {
    const send = async (): Promise<Response> => {
      try {
        return await fetch(`${this.#base}${repository}/${path}`, {
          method,
          headers: { ...headers, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) },
          body: body === undefined ? undefined : new Uint8Array(body),
          signal: AbortSignal.timeout(30_000),
        });
      } catch (error) {
        throw new Failure(`Harbor at ${this.#base} (HARBOR_URL, HARBOR_HOST) does not answer: ${reason(error)}`);
      }
    };
    const response = await send();
    if (response.status !== 401) return response;
    this.#authorization = await this.#answer(response.headers.get("www-authenticate") ?? "", repository);
    const second = await send();
    if (second.status === 401) throw this.#loginRefused();
    return second;
  }

  /** Answers the registry's challenge: Basic, or a token from the realm that it names (Harbor does that). */
  async #answer(challenge: string, repository: string): Promise<string> {
    const { username, password } = this.harbor;
    const basic = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
    const realm = /^Bearer .*realm="([^"]+)"/i.exec(challenge)?.[1];
    if (realm === undefined) return basic;
    const url = new URL(realm);
    const service = /service="([^"]+)"/.exec(challenge)?.[1];
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${repository}:pull,push`);
    let response: Response;
    try {
      response = await fetch(url, { headers: { authorization: basic }, signal: AbortSignal.timeout(30_000) });
    } catch (error) {
      throw new Failure(`Harbor's token service ${url.origin} does not answer: ${reason(error)}`);
    }
    if (!response.ok) throw this.#loginRefused();
    const { token, access_token: access } = (await response.json()) as { token?: string; access_token?: string };
    return `Bearer ${token ?? access ?? ""}`;
  }

  #loginRefused(): Failure {
    return new Failure(
      `Harbor ${this.harbor.host} refused the login of ${this.harbor.username}; check HARBOR_USERNAME and HARBOR_PASSWORD (a robot's name contains $: its variable must not be expanded)`,
    );
  }

  async #refusal(response: Response, doing: string): Promise<Failure> {
    const text = await response.text();
    let message = text.slice(0, 200);
    try {
      const { errors } = JSON.parse(text) as { errors?: { message?: string; code?: string }[] };
      message = errors?.map((e) => e.message ?? e.code).join(", ") ?? message;
    } catch {
      // Not the API's own answer, perhaps a proxy's; its first words say more than nothing.
    }
    return new Failure(
      `Harbor ${this.harbor.host} refused ${doing} to ${this.harbor.username}: ${response.status} ${message}`,
    );
  }
}
