import type { Credentials } from "./credentials";
import { Failure, oneLineOf, optional, type Job } from "./failure";
import type { RegistryAccess } from "./registry";
import { conceal } from "./secrets";

const HARBOR = ["HARBOR_HOST", "HARBOR_PROJECT", "HARBOR_USERNAME", "HARBOR_PASSWORD"] as const;

export interface Harbor extends RegistryAccess {
  readonly project: string;
  readonly username: string;
  readonly password: string;
  /** Plain HTTP, only if HARBOR_URL says so. */
  readonly insecure: boolean;
}

/**
 * Harbor's settings: from GitLab's Harbor integration or, under the same names, from project variables (which override
 * it in GitLab); if none of the four is set, from Vault. The two sources are never mixed, because a password belongs to
 * its user.
 *
 * @throws Failure naming the settings that are missing, or that contradict each other
 */
export function harborOf(env: Job["env"], credentials?: Pick<Credentials, "values" | "where">): Harbor | undefined {
  const given = HARBOR.filter((name) => optional(env, name) !== undefined);
  const source: Job["env"] = given.length > 0 ? env : (credentials?.values ?? {});
  const missing = HARBOR.filter((name) => optional(source, name) === undefined);
  if (missing.length === HARBOR.length) return undefined;
  if (missing.length > 0) {
    const place =
      given.length > 0 ? "CI variables (Harbor integration or project)" : `Vault's ${credentials?.where ?? ""}`;
    throw new Failure(`${missing.join(", ")} missing in ${place}; the four HARBOR_ settings go together`);
  }
  const value = (name: (typeof HARBOR)[number]): string => oneLineOf(source, name) ?? "";
  conceal(value("HARBOR_PASSWORD"));
  return {
    ...addressOf(source),
    project: value("HARBOR_PROJECT"),
    username: value("HARBOR_USERNAME"),
    password: value("HARBOR_PASSWORD"),
  };
}

/** GitLab's integration leaves scheme and port out of HARBOR_HOST, so HARBOR_URL takes precedence if it is set. */
function addressOf(source: Job["env"]): Pick<Harbor, "host" | "url" | "insecure"> {
  const name = optional(source, "HARBOR_HOST") ?? "";
  const given = optional(source, "HARBOR_URL");
  const url = given === undefined ? addressIn("HARBOR_HOST", `https://${name}`) : addressIn("HARBOR_URL", given);
  const named = addressIn("HARBOR_HOST", `${url.protocol}//${name}`);
  if (named.host !== url.host && named.host !== url.hostname) {
    throw new Failure(`HARBOR_HOST names ${named.host}, but HARBOR_URL ${url.host}; make them name the same place`);
  }
  return { host: url.host, url: url.origin, insecure: url.protocol === "http:" };
}

const FORMS = {
  HARBOR_HOST: "a host and an optional port",
  HARBOR_URL: "http:// or https://, a host and an optional port",
};

/** @throws Failure that does not repeat the value, which may contain a password */
function addressIn(setting: keyof typeof FORMS, address: string): URL {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  const nothingMore = url !== undefined && /^https?:$/.test(url.protocol) && `${url.origin}/` === url.href;
  if (nothingMore) return url;
  throw new Failure(`${setting} must be ${FORMS[setting]}, nothing more: the name of an image has no place for a path or a login`); // prettier-ignore
}
