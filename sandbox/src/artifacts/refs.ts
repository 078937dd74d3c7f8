import { imageNames, type ImageName } from "../../../offline/lib/image-names.js";
import { UserError } from "../../../offline/lib/user-error.js";

/** The environment variable that replaces one image: IMAGE_POSTGRES, IMAGE_NGINX_EXPORTER, … */
export const overrideVariable = (name: ImageName): string => `IMAGE_${name.toUpperCase().replaceAll("-", "_")}`;

/** `base` and `node` are derived from the plain ones, so IMAGE_BASE and IMAGE_NODE name those. */
const overridable: Readonly<Partial<Record<ImageName, ImageName>>> = { base: "base-plain", node: "node-plain" };

const reference =
  /^[a-z0-9][a-zA-Z0-9._-]*(:[0-9]+(?=\/))?(\/[a-z0-9][a-z0-9._-]*)*(:[A-Za-z0-9_.-]+)?(@sha256:[0-9a-f]{64})?$/;

/**
 * Reads IMAGE_<NAME>.
 * @throws UserError for a variable that names no image of the sandbox, or whose value is not an image reference
 */
export function readOverrides(env: NodeJS.ProcessEnv): Partial<Record<ImageName, string>> {
  const known = new Map(
    imageNames.filter((name) => !name.endsWith("-plain")).map((name) => [overrideVariable(name), name] as const),
  );
  const overrides: Partial<Record<ImageName, string>> = {};
  for (const [variable, name] of known) {
    const value = env[variable];
    if (value === undefined || value === "") continue;
    if (!reference.test(value)) {
      throw new UserError(
        `${variable}=${value} is not an image reference. Give for example ${variable}=registry.example.org/project/image:tag.`,
      );
    }
    overrides[overridable[name] ?? name] = value;
  }
  return overrides;
}

/**
 * Reads REGISTRY_MIRROR: `host[:port][/project]`, without a scheme.
 * @throws UserError if it is not one
 */
export function readMirror(env: NodeJS.ProcessEnv): string | undefined {
  const value = env.REGISTRY_MIRROR?.replace(/\/+$/, "");
  if (value === undefined || value === "") return undefined;
  const [host = "", ...project] = value.split("/");
  const isHost = /^[a-zA-Z0-9.-]+(:\d+)?$/.test(host) && (/[.:]/.test(host) || host === "localhost");
  if (!isHost || !project.every((part) => /^[a-z0-9][a-z0-9._-]*$/.test(part))) {
    throw new UserError(
      `REGISTRY_MIRROR=${value} is not host[:port][/project]. Give it without https://, for example REGISTRY_MIRROR=harbor.example.org/dockerhub.`,
    );
  }
  return value;
}

/**
 * The official reference as a mirror of Docker Hub serves it: `postgres:17` → `mirror/library/postgres:17`,
 * as both Harbor's proxy projects and plain pull-through registries expect it.
 */
export function mirrored(official: string, mirror: string): string {
  return `${mirror}/${official.includes("/") ? official : `library/${official}`}`;
}

/** The version part of a reference: its tag, or else the start of its digest. */
export function versionOf(ref: string): string {
  const digest = /@sha256:([0-9a-f]{12})/.exec(ref);
  if (digest?.[1] !== undefined) return digest[1];
  const tag = /:([A-Za-z0-9_.-]+)$/.exec(ref);
  return tag?.[1] ?? "latest";
}
