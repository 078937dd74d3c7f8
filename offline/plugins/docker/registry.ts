import type * as docker from "@pulumi/docker";
import type { ConfigOf } from "../framework/index.js";

/** A login, as the engine takes it in the header X-Registry-Auth. */
export interface RegistryAuth {
  username: string;
  password: string;
  serveraddress: string;
}

/** Logins by the registry's host, with its port where it has one. */
export type RegistryAuths = ReadonlyMap<string, RegistryAuth>;

type AuthInput = NonNullable<ConfigOf<typeof docker.Provider>["registryAuth"]>[number];

const KNOWN = new Set<keyof AuthInput>(["address", "username", "password"]);

function hostOf(address: string): string {
  return address.replace(/^https?:\/\//, "").split("/")[0] ?? "";
}

/**
 * The provider's `registryAuth`. As in the genuine plugin, logins are kept by host name and the last of a host wins; user name and password
 * may come from DOCKER_REGISTRY_USER and DOCKER_REGISTRY_PASS.
 *
 * @throws Error for a field that is not implemented, a missing address, or a login without a user name
 */
export function registryAuths(list: readonly AuthInput[]): RegistryAuths {
  const auths = new Map<string, RegistryAuth>();
  for (const entry of list) {
    for (const [key, value] of Object.entries(entry)) {
      if (value === undefined || value === null || KNOWN.has(key as keyof AuthInput)) continue;
      throw new Error(
        `sandbox stand-in: docker Provider does not implement registryAuth.${key}; use address, username and password`,
      );
    }
    const host = hostOf(entry.address);
    if (host === "")
      throw new Error(
        "registryAuth: expected address to not be an empty string; set it to the registry's host, e.g. harbor.example.com",
      );
    const username = entry.username ?? process.env.DOCKER_REGISTRY_USER ?? "";
    const password = entry.password ?? process.env.DOCKER_REGISTRY_PASS ?? "";
    if (username === "") {
      throw new Error(
        `sandbox stand-in: registryAuth for ${host} has no username, and the stand-in does not read ~/.docker/config.json; set username and password`,
      );
    }
    const scheme = entry.address.startsWith("http://") ? "http" : "https";
    auths.set(host, { username, password, serveraddress: `${scheme}://${host}` });
  }
  return auths;
}

/**
 * The registry that an image's name points to, by the genuine plugin's rule: the part before the first slash, when there are two slashes or it
 * looks like a host; else Docker Hub.
 */
export function registryOf(image: string): string {
  const slash = image.indexOf("/");
  const first = image.slice(0, Math.max(slash, 0));
  const deep = image.split("/").length > 2;
  if (slash > 0 && (deep || /[.:]/.test(first) || first === "localhost")) return first;
  return "registry-1.docker.io";
}

/** The value of X-Registry-Auth for a pull of this image; of an empty login when none is configured for its registry. */
export function authHeader(auths: RegistryAuths, image: string): string {
  // The engine wants the URL alphabet with padding, which Node's "base64url" leaves out.
  const encoded = Buffer.from(JSON.stringify(auths.get(registryOf(image)) ?? {})).toString("base64");
  return encoded.replaceAll("+", "-").replaceAll("/", "_");
}
