import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { which } from "../../../offline/lib/packages.js";
import { checkOwnDirs, stateDir } from "../../../offline/lib/paths.js";
import { attempt } from "../../../offline/lib/run.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { versions } from "../../../offline/lib/versions.js";
import type { Progress } from "../display.js";
import { readMirror, readOverrides } from "./refs.js";
import type { Sources } from "./types.js";

/** Seconds to wait for a source's answer. */
const patience = 3;

export interface Answer {
  /** HTTP status; undefined when nothing answered. */
  readonly status?: number;
  readonly reason: string;
}

/**
 * Requests the headers of one address. Uses curl if present, because it knows the machine's proxies and authorities and
 * fetch does not.
 */
export async function ask(url: string): Promise<Answer> {
  if ((await which("curl")) !== undefined) {
    const result = await attempt(
      "curl",
      ["-sS", "-I", "-L", "-o", "/dev/null", "-m", String(patience), "-w", "%{http_code}", url],
      { timeout: (patience + 2) * 1000 },
    );
    const status = Number(/(\d{3})\s*$/.exec(result.stdout)?.[1] ?? 0);
    if (status > 0) return { status, reason: `answered ${status}` };
    return {
      reason:
        result.all
          .replace(/^0*/, "")
          .replace(/^curl: \(\d+\) /m, "")
          .split("\n")[0]
          ?.trim() ?? "no answer",
    };
  }
  try {
    const response = await fetch(url, { method: "HEAD", signal: AbortSignal.timeout(patience * 1000) });
    return { status: response.status, reason: `answered ${response.status}` };
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    return { reason: cause instanceof Error ? cause.message : String(cause) };
  }
}

/**
 * A registry's API root answers 200, or 401 if it requires a login; anything else is not a registry, for example a
 * proxy that refuses.
 */
export const isRegistry = (answer: Answer): boolean => answer.status === 200 || answer.status === 401;

export const pulumiUrl = (version: string, arch: "x64" | "arm64"): string =>
  `https://get.pulumi.com/releases/sdk/pulumi-v${version}-linux-${arch}.tar.gz`;

const isLocal = (host: string): boolean => /^(localhost|127\.)/.test(host);

/** The pure part of the decision: maps what answered to where things come from. */
export function choose(
  env: NodeJS.ProcessEnv,
  answers: { readonly hub?: Answer; readonly mirror?: Answer; readonly pulumi?: Answer },
): Sources {
  const forced = readForced(env);
  const mirror = readMirror(env);
  const overrides = readOverrides(env);
  const reasons: string[] = [];
  let images: Sources["images"] = "offline";
  let pulumi: Sources["pulumi"] = "offline";
  if (forced === "offline") {
    reasons.push("SANDBOX_WAY=offline: everything from package registries");
  } else {
    if (mirror !== undefined) {
      images =
        forced === "official" || (answers.mirror !== undefined && isRegistry(answers.mirror)) ? "mirror" : "offline";
      reasons.push(
        images === "mirror"
          ? `images from the mirror ${mirror}`
          : `images built from packages: the mirror ${mirror} does not serve (${answers.mirror?.reason ?? "not asked"})`,
      );
    } else if (forced === "official" || (answers.hub !== undefined && isRegistry(answers.hub))) {
      images = "official";
      reasons.push("images from Docker Hub");
    } else {
      reasons.push(`images built from packages: Docker Hub does not serve (${answers.hub?.reason ?? "not asked"})`);
    }
    if (forced === "official" || answers.pulumi?.status === 200) {
      pulumi = "official";
      reasons.push("Pulumi and its plugins from get.pulumi.com");
    } else {
      reasons.push(
        `Pulumi built from Go modules, plugins by our stand-ins: get.pulumi.com does not serve (${answers.pulumi?.reason ?? "not asked"})`,
      );
    }
  }
  for (const [name, ref] of Object.entries(overrides)) reasons.push(`image ${name} as set: ${ref}`);
  return {
    images,
    pulumi,
    ...(mirror !== undefined && { mirror }),
    overrides,
    forced: forced !== undefined,
    reasons,
    decidedAt: new Date().toISOString(),
  };
}

function readForced(env: NodeJS.ProcessEnv): "offline" | "official" | undefined {
  const value = env.SANDBOX_WAY;
  if (value === undefined || value === "") return undefined;
  if (value === "offline" || value === "official") return value;
  throw new UserError(
    `SANDBOX_WAY=${value} is not known. Give offline (package registries alone), official (vendors alone), or leave it out.`,
  );
}

/**
 * Finds out which sources answer, all at once, so it takes at most 3 s. The result is stored in `.sandbox/ways.json`
 * (named after SANDBOX_WAY) for the operator and later commands.
 *
 * `SANDBOX_WAY=offline|official` forces the choice, `REGISTRY_MIRROR=host[:port][/project]` names a mirror of Docker Hub,
 * `IMAGE_<NAME>=reference` replaces one image (IMAGE_POSTGRES, IMAGE_NGINX_EXPORTER, IMAGE_BASE, IMAGE_NODE, …).
 * @throws UserError for a setting that cannot be used
 */
export async function decideSources(progress: Progress, env: NodeJS.ProcessEnv = process.env): Promise<Sources> {
  const forced = readForced(env);
  const mirror = readMirror(env);
  readOverrides(env);
  const mirrorHost = mirror?.split("/")[0];
  const arch = process.arch === "arm64" ? "arm64" : "x64";
  const ask2 = async (host: string): Promise<Answer> => {
    const secure = await ask(`https://${host}/v2/`);
    return secure.status === undefined && isLocal(host) ? ask(`http://${host}/v2/`) : secure;
  };
  const [hub, mirrorAnswer, pulumi] =
    forced !== undefined
      ? []
      : await Promise.all([
          mirror === undefined ? ask("https://registry-1.docker.io/v2/") : undefined,
          mirrorHost === undefined ? undefined : ask2(mirrorHost),
          ask(pulumiUrl(versions().tools.pulumi, arch)),
        ]);
  const sources = choose(env, {
    ...(hub !== undefined && { hub }),
    ...(mirrorAnswer !== undefined && { mirror: mirrorAnswer }),
    ...(pulumi !== undefined && { pulumi }),
  });
  checkOwnDirs();
  writeFileSync(join(stateDir, "ways.json"), JSON.stringify(sources, undefined, 2) + "\n", { mode: 0o600 });
  for (const reason of sources.reasons) progress(reason);
  return sources;
}
