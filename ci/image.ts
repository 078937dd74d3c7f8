/**
 * The images that the pipeline builds: the service's, and that of its own jobs. Arguments:
 *   check     builds and discards it (merge requests; needs no secret)
 *   publish   builds and pushes it to Harbor, tagged with commit and branch (default branch)
 *   rebuild   the same without caches, on the newest base (schedule)
 *   promote   tags this commit's image, which the default branch built, with the Git tag's name (tags)
 *   tools     builds and pushes the image of the jobs, ci/Dockerfile, on its newest base, and prints the value for CI_IMAGE
 * All but check and tools write image.env with IMAGE, by digest, and, if they built the image, build/sbom.spdx.json.
 *
 * Variables: HARBOR_* (lib/harbor.ts), HARBOR_IMAGE (default audit-svc), HARBOR_CI_IMAGE (default audit-ci), NODE_IMAGE, RUNTIME_IMAGE,
 * PULUMI_IMAGE (bases, default the Dockerfiles'), PROMOTE_ONLY=false: a tag whose commit has no image, and so was
 * not checked by the default branch's pipeline, is built all the same; VAULT_IMAGE_KEY: key of Vault's transit engine, at
 * VAULT_TRANSIT_PATH (default transit), that signs each image of the service that is built here, and no other (lib/signature.ts).
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { obtainCredentials } from "./lib/credentials";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, oneLine, optional, required, runJob, type Job } from "./lib/failure";
import { harborOf, type Harbor } from "./lib/harbor";
import { Registry } from "./lib/registry";
import { signImage, transitSigner, type Signer } from "./lib/signature";

const LOCAL = "localhost/ci:built";

/** How an image is built: from which file, on which bases, and under which name in Harbor's project. */
interface Recipe {
  readonly file: string;
  readonly bases: readonly string[];
  readonly nameFrom: "HARBOR_IMAGE" | "HARBOR_CI_IMAGE";
  readonly name: string;
}

export const serviceImage: Recipe = {
  file: "audit-svc/Dockerfile",
  bases: ["NODE_IMAGE", "RUNTIME_IMAGE"],
  nameFrom: "HARBOR_IMAGE",
  name: "audit-svc",
};
export const jobsImage: Recipe = {
  file: "ci/Dockerfile",
  bases: ["NODE_IMAGE", "PULUMI_IMAGE"],
  nameFrom: "HARBOR_CI_IMAGE",
  name: "audit-ci",
};

export async function image(job: Job, exec: Exec, root = ROOT): Promise<void> {
  switch (job.argv[0]) {
    case "check":
      return check(job, exec);
    case "publish":
      return publish(job, exec, root, false);
    case "rebuild":
      return publish(job, exec, root, true);
    case "promote":
      return promote(job, exec, root);
    case "tools":
      return tools(job, exec);
    default:
      throw new Failure("usage: ci/image.ts check|publish|rebuild|promote|tools");
  }
}

async function check(job: Job, exec: Exec): Promise<void> {
  const builder = await onDriver(job, exec);
  await buildah(builder, exec, buildArguments(builder.env, serviceImage, false));
}

/**
 * The job with Buildah's storage driver set: the given one, otherwise overlay if the runner allows it, otherwise vfs,
 * which works everywhere but copies the whole image for each layer.
 */
async function onDriver(job: Job, exec: Exec): Promise<Job> {
  if (optional(job.env, "STORAGE_DRIVER") !== undefined) return job;
  const { code } = await exec("buildah", ["info"], { env: environment(job.env, "overlay") });
  return { ...job, env: { ...job.env, STORAGE_DRIVER: code === 0 ? "overlay" : "vfs" } };
}

/** Buildah gets the password only through standard input. */
const environment = (env: Job["env"], driver = env.STORAGE_DRIVER): Job["env"] => ({
  ...env,
  HARBOR_PASSWORD: undefined,
  STORAGE_DRIVER: driver,
});

/** A branch's name as an image tag, with only the characters that a tag may have. */
export const tagOf = (ref: string): string => ref.replace(/[^A-Za-z0-9_.-]/g, "-").slice(0, 120);

async function publish(job: Job, exec: Exec, root: string, fresh: boolean): Promise<void> {
  await withHarbor(job, async (harbor, signer) => {
    const { digest, tags } = await pushTagged(job, exec, harbor, serviceImage, fresh);
    await sign(job, harbor, digest, signer);
    await writeSbom(job, exec, root);
    announce(job, root, harbor, digest, tags);
  });
}

async function tools(job: Job, exec: Exec): Promise<void> {
  await withHarbor(job, async (harbor) => {
    const { digest, tags } = await pushTagged(job, exec, harbor, jobsImage, true);
    job.say(`CI_IMAGE=${harbor.host}/${repositoryOf(job.env, harbor, jobsImage)}@${digest} (${tags.join(", ")})`);
  });
}

/** Builds an image, pushes it with the commit as its tag, and adds the branch's tag once Harbor has it. */
async function pushTagged(
  job: Job,
  exec: Exec,
  harbor: Harbor,
  recipe: Recipe,
  fresh: boolean,
): Promise<{ digest: string; tags: string[] }> {
  const commit = required(job.env, "CI_COMMIT_SHA", "GitLab sets it in every job");
  const branch = tagOf(required(job.env, "CI_COMMIT_BRANCH", "images are published from the default branch"));
  const digest = await buildAndPush(job, exec, harbor, recipe, fresh);
  const registry = new Registry(harbor);
  const repository = repositoryOf(job.env, harbor, recipe);
  const built = await registry.manifest(repository, commit);
  if (built?.digest !== digest) {
    throw new Failure(
      `Harbor has ${built?.digest ?? "nothing"} at ${repository}:${commit} instead of ${digest}, which was just pushed`,
    );
  }
  await registry.tag(repository, branch, built);
  return { digest, tags: [commit, branch] };
}

async function promote(job: Job, exec: Exec, root: string): Promise<void> {
  const { env } = job;
  const commit = required(env, "CI_COMMIT_SHA", "GitLab sets it in every job");
  const name = required(env, "CI_COMMIT_TAG", "images are promoted in a tag's pipeline");
  if (env.CI_COMMIT_REF_PROTECTED !== "true") {
    throw new Failure(
      `tag ${name} is not protected; protect it in Settings > Repository > Protected tags, then run the pipeline again`,
    );
  }
  if (tagOf(name) !== name)
    throw new Failure(`tag ${name} cannot be an image's tag; use letters, digits, ".", "_" and "-" only`);
  await withHarbor(job, async (harbor, signer) => {
    const registry = new Registry(harbor);
    const repository = repositoryOf(env, harbor, serviceImage);
    let found = await registry.manifest(repository, commit);
    const present = await registry.manifest(repository, name);
    if (found === undefined) {
      if (optional(env, "PROMOTE_ONLY") !== "false") {
        throw new Failure(
          `there is no image of commit ${commit} at ${harbor.host}/${repository}; it must be on the default branch and its pipeline there be over`,
        );
      }
      job.say(`there is no image of commit ${commit} yet; building it`);
      const digest = await buildAndPush(job, exec, harbor, serviceImage, false);
      await sign(job, harbor, digest, signer);
      await writeSbom(job, exec, root);
      found = await registry.manifest(repository, commit);
      if (found === undefined) throw new Failure(`Harbor does not have ${repository}:${commit}, which was just pushed`);
    }
    // If a release's tag could move to another image, rollbacks and records would be wrong.
    if (present !== undefined && present.digest !== found.digest) {
      throw new Failure(
        `${repository}:${name} is ${present.digest} already, but commit ${commit} has ${found.digest}; tag a new version instead`,
      );
    }
    if (present === undefined) await registry.tag(repository, name, found);
    announce(job, root, harbor, found.digest, [name]);
  });
}

/**
 * Signs the digest that was built here, not the one that Harbor reports. An image that another pipeline built is
 * promoted with the signature that it has, because whoever can push to Harbor can tag an image with a commit.
 */
async function sign(job: Job, harbor: Harbor, digest: string, signer: Signer | undefined): Promise<void> {
  if (signer === undefined) return;
  const image = { registry: harbor.host, repository: repositoryOf(job.env, harbor, serviceImage), digest };
  const signed = await signImage(new Registry(harbor), image, signer);
  job.say(`${signed ? "signed" : "was signed already"} with Vault's ${signer.name}`);
}

/**
 * With HARBOR_ variables no login to Vault is needed; without them Vault has the settings. Signing always needs one.
 */
async function withHarbor(
  job: Job,
  work: (harbor: Harbor, signer: Signer | undefined) => Promise<void>,
): Promise<void> {
  const key = optional(job.env, "VAULT_IMAGE_KEY");
  const given = harborOf(job.env);
  if (given !== undefined && key === undefined) return work(given, undefined);
  const credentials = await obtainCredentials(job, "publish");
  try {
    const harbor = given ?? harborOf(job.env, credentials);
    if (harbor === undefined) {
      throw new Failure(
        `HARBOR_HOST, HARBOR_PROJECT, HARBOR_USERNAME, HARBOR_PASSWORD: not set by GitLab's Harbor integration, nor as CI variables, nor in Vault at ${credentials.where}`,
      );
    }
    const mount = optional(job.env, "VAULT_TRANSIT_PATH") ?? "transit";
    await work(harbor, key === undefined ? undefined : await transitSigner(credentials.vault, mount, key));
  } finally {
    await credentials.vault.close();
  }
}

const repositoryOf = (env: Job["env"], harbor: Harbor, { nameFrom, name }: Recipe): string =>
  `${harbor.project}/${optional(env, nameFrom) ?? name}`;

/** Buildah's arguments, with OCI labels that say where the image comes from. */
export function buildArguments(env: Job["env"], { file, bases }: Recipe, fresh: boolean): string[] {
  const version = optional(env, "CI_COMMIT_TAG") ?? optional(env, "CI_COMMIT_SHORT_SHA") ?? "0.0.0";
  const labels = {
    "org.opencontainers.image.created": optional(env, "CI_COMMIT_TIMESTAMP"),
    "org.opencontainers.image.source": optional(env, "CI_PROJECT_URL"),
    "org.opencontainers.image.url": optional(env, "CI_PIPELINE_URL"),
    "org.opencontainers.image.ref.name": optional(env, "CI_COMMIT_REF_NAME"),
  };
  const given = bases.flatMap((name) => {
    const value = optional(env, name);
    return value === undefined ? [] : ["--build-arg", `${name}=${value}`];
  });
  return [
    "build",
    ...["--file", file, "--tag", LOCAL],
    // A cache needs a layer for each step; with vfs, creating the layers takes longer than the cache saves.
    ...(env.STORAGE_DRIVER === "vfs" ? [] : ["--layers"]),
    ...(fresh ? ["--no-cache", "--pull-always"] : []),
    ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${env.CI_COMMIT_SHA ?? ""}`],
    ...given,
    ...Object.entries(labels).flatMap(([key, value]) => (value === undefined ? [] : ["--label", `${key}=${value}`])),
    ".",
  ];
}

async function buildAndPush(given: Job, exec: Exec, harbor: Harbor, recipe: Recipe, fresh: boolean): Promise<string> {
  const job = await onDriver(given, exec);
  const dir = mkdtempSync(join(tmpdir(), "ci-image-"));
  const auth = join(dir, "auth.json");
  const digestFile = join(dir, "digest");
  const tls = harbor.insecure ? ["--tls-verify=false"] : [];
  const repository = `${harbor.host}/${repositoryOf(job.env, harbor, recipe)}`;
  try {
    await buildah(
      job,
      exec,
      ["login", "--authfile", auth, "--username", harbor.username, "--password-stdin", ...tls, harbor.host],
      harbor.password,
    );
    const [command, ...rest] = buildArguments(job.env, recipe, fresh);
    const cache =
      fresh || job.env.STORAGE_DRIVER === "vfs"
        ? []
        : ["--cache-from", `${repository}/cache`, "--cache-to", `${repository}/cache`];
    await buildah(job, exec, [command ?? "", "--authfile", auth, ...tls, ...cache, ...rest]);
    const target = `docker://${repository}:${required(job.env, "CI_COMMIT_SHA", "GitLab sets it in every job")}`;
    await buildah(job, exec, [
      "push",
      "--authfile",
      auth,
      ...tls,
      "--format",
      "oci",
      "--digestfile",
      digestFile,
      LOCAL,
      target,
    ]);
    return readFileSync(digestFile, "utf8").trim();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function buildah(job: Job, exec: Exec, args: readonly string[], input?: string): Promise<void> {
  const result = await exec("buildah", args, { input, echo: job.say, env: environment(job.env) });
  if (result.code === 0) return;
  const lines = result.all.trim().split("\n");
  const reason = lines.findLast((line) => /^error/i.test(line.trim())) ?? lines.at(-1) ?? "it printed nothing";
  throw new Failure(
    `buildah ${args[0] ?? ""} failed: ${oneLine(reason)
      .replace(/^error: /i, "")
      .slice(0, 400)}`,
  );
}

/** From the lock file, because the image contains one bundled file, in which a scanner finds no packages. */
async function writeSbom(job: Job, exec: Exec, root: string): Promise<void> {
  const result = await exec("npm", [
    "sbom",
    "--sbom-format",
    "spdx",
    "--workspace",
    "audit-svc",
    "--omit",
    "dev",
    "--package-lock-only",
  ]);
  if (result.code !== 0) throw new Failure(`npm sbom failed: ${oneLine(result.all).slice(0, 400)}`);
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(join(root, "build/sbom.spdx.json"), result.stdout);
  job.say("SBOM: build/sbom.spdx.json");
}

function announce(job: Job, root: string, harbor: Harbor, digest: string, tags: readonly string[]): void {
  const reference = `${harbor.host}/${repositoryOf(job.env, harbor, serviceImage)}@${digest}`;
  writeFileSync(join(root, "image.env"), `IMAGE=${reference}\n`);
  job.say(`IMAGE=${reference} (${tags.join(", ")})`);
}

if (require.main === module) runJob((job) => image(job, realExec));
