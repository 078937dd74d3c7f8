import { createHash } from "node:crypto";
import { Failure, reason } from "./failure";

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

/** A registry, and a login to it. */
export interface RegistryAccess {
  /** host[:port] of image references. */
  readonly host: string;
  /** Its URL: scheme, host and port. */
  readonly url: string;
  /** Default: anonymous access. */
  readonly username?: string;
  readonly password?: string;
  /** The settings with the address and the login, for messages; default: those of Harbor. */
  readonly settings?: { readonly address: string; readonly login: string };
}

const HARBOR = {
  address: "HARBOR_URL, HARBOR_HOST",
  login: "HARBOR_USERNAME and HARBOR_PASSWORD (a robot's name contains $: its variable must not be expanded)",
};

export const sha256 = (bytes: Buffer): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/**
 * The part of the OCI distribution API that is needed to promote and sign an image, in Harbor or any other registry.
 */
export class Registry {
  readonly #base: string;
  readonly #settings: NonNullable<RegistryAccess["settings"]>;
  #authorization: string | undefined;

  /** @param rights scope to request if the registry issues tokens */
  constructor(
    private readonly access: RegistryAccess,
    private readonly rights: "pull" | "pull,push" = "pull,push",
  ) {
    this.#base = `${access.url}/v2/`;
    this.#settings = access.settings ?? HARBOR;
  }

  /** Manifest of a tag or digest; undefined if there is none. */
  async manifest(repository: string, reference: string): Promise<Manifest | undefined> {
    const response = await this.#call(repository, "GET", `manifests/${reference}`, { accept: KINDS });
    if (response.status === 404) return undefined;
    if (!response.ok) throw await this.#refusal(response, `reading ${repository}:${reference}`);
    const body = Buffer.from(await response.arrayBuffer());
    return {
      // Computed rather than taken from the registry, because the digest is what is deployed.
      digest: sha256(body),
      kind: response.headers.get("content-type") ?? "",
      body,
    };
  }

  /** Adds a tag to a manifest. The blobs it refers to must already be in the repository: no layer is copied. */
  async tag(repository: string, tag: string, manifest: Pick<Manifest, "kind" | "body">): Promise<void> {
    const response = await this.#call(
      repository,
      "PUT",
      `manifests/${tag}`,
      { "content-type": manifest.kind },
      manifest.body,
    );
    if (!response.ok) throw await this.#refusal(response, `tagging ${repository}:${tag}`);
  }

  /** A blob by its digest. @throws Failure if the registry returns other content */
  async blob(repository: string, digest: string): Promise<Buffer> {
    const response = await this.#call(repository, "GET", `blobs/${digest}`, {});
    if (!response.ok) throw await this.#refusal(response, `reading ${repository}@${digest}`);
    const body = Buffer.from(await response.arrayBuffer());
    if (sha256(body) === digest) return body;
    throw new Failure(`Harbor ${this.access.host} has something else at ${repository}@${digest} than that`);
  }

  /** Stores a blob for a manifest. @returns its digest */
  async upload(repository: string, body: Buffer): Promise<string> {
    const digest = sha256(body);
    const present = await this.#call(repository, "HEAD", `blobs/${digest}`, {});
    if (present.ok) return digest;
    const begun = await this.#call(repository, "POST", "blobs/uploads/", {});
    const at = begun.headers.get("location");
    if (!begun.ok || at === null) throw await this.#refusal(begun, `an upload to ${repository}`);
    const target = new URL(at, `${this.#base}${repository}/blobs/uploads/`);
    // Never send the login to another origin.
    if (target.origin !== new URL(this.#base).origin) {
      throw new Failure(
        `Harbor ${this.access.host} wants an upload at ${target.origin} instead of ${this.access.url}; set Harbor's external URL (hostname, external_url) to what ${this.#settings.address} says`,
      );
    }
    target.searchParams.set("digest", digest);
    const stored = await this.#call(repository, "PUT", target.href, { "content-type": "application/octet-stream" }, body); // prettier-ignore
    if (!stored.ok) throw await this.#refusal(stored, `an upload to ${repository}`);
    return digest;
  }

  /** @param path below the repository, or a whole address that the registry gave for it */
  async #call(
    repository: string,
    method: string,
    path: string,
    headers: Record<string, string>,
    body?: Buffer,
  ): Promise<Response> {
    const send = async (): Promise<Response> => {
      try {
        return await fetch(URL.canParse(path) ? path : `${this.#base}${repository}/${path}`, {
          method,
          headers: { ...headers, ...(this.#authorization === undefined ? {} : { authorization: this.#authorization }) },
          body: body === undefined ? undefined : new Uint8Array(body),
          signal: AbortSignal.timeout(30_000),
        });
      } catch (error) {
        throw new Failure(`Harbor at ${this.#base} (${this.#settings.address}) does not answer: ${reason(error)}`);
      }
    };
    const response = await send();
    if (response.status !== 401) return response;
    this.#authorization = await this.#answer(response.headers.get("www-authenticate") ?? "", repository);
    const second = await send();
    if (second.status === 401) throw this.#loginRefused();
    return second;
  }

  /** Answers the registry's challenge: Basic, or a token from the realm that it names, as with Harbor. */
  async #answer(challenge: string, repository: string): Promise<string | undefined> {
    const { username, password } = this.access;
    const basic =
      username === undefined ? undefined : `Basic ${Buffer.from(`${username}:${password ?? ""}`).toString("base64")}`;
    const realm = /^Bearer .*realm="([^"]+)"/i.exec(challenge)?.[1];
    if (realm === undefined) return basic;
    const url = new URL(realm);
    const service = /service="([^"]+)"/.exec(challenge)?.[1];
    if (service !== undefined) url.searchParams.set("service", service);
    url.searchParams.set("scope", `repository:${repository}:${this.rights}`);
    let response: Response;
    try {
      response = await fetch(url, {
        headers: basic === undefined ? {} : { authorization: basic },
        signal: AbortSignal.timeout(30_000),
      });
    } catch (error) {
      throw new Failure(`Harbor's token service ${url.origin} does not answer: ${reason(error)}`);
    }
    if (!response.ok) throw this.#loginRefused();
    const { token, access_token: access } = (await response.json()) as { token?: string; access_token?: string };
    return `Bearer ${token ?? access ?? ""}`;
  }

  get #who(): string {
    return this.access.username ?? "an anonymous login";
  }

  #loginRefused(): Failure {
    return new Failure(`Harbor ${this.access.host} refused the login of ${this.#who}; check ${this.#settings.login}`);
  }

  async #refusal(response: Response, doing: string): Promise<Failure> {
    const text = await response.text();
    let message = text.slice(0, 200);
    try {
      const { errors } = JSON.parse(text) as { errors?: { message?: string; code?: string }[] };
      message = errors?.map((e) => e.message ?? e.code).join(", ") ?? message;
    } catch {
      // Not the API's JSON, perhaps a proxy's page; show how it begins.
    }
    return new Failure(`Harbor ${this.access.host} refused ${doing} to ${this.#who}: ${response.status} ${message}`);
  }
}
