/**
 * The service's image. Arguments:
 *   check     builds and throws away (merge requests; needs no secret)
 *   publish   builds and pushes it to Harbor, tagged with commit and branch (default branch)
 *   rebuild   the same without caches, on the newest base (schedule)
 *   promote   gives the image of this commit the tag's name, without a second build; builds when there is none (tags)
 * The last three write image.env with IMAGE, by digest, and build/sbom.spdx.json when they built.
 *
 * Variables: HARBOR_* (lib/credentials.ts), HARBOR_IMAGE (default audit-svc), NODE_IMAGE, RUNTIME_IMAGE (bases, default the Dockerfile's),
 * PROMOTE_ONLY=true: a tag whose commit has no image fails instead of building one.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { harborOf, obtainCredentials, type Harbor } from "./lib/credentials";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, oneLine, optional, required, runJob, type Job } from "./lib/failure";
import { Registry } from "./lib/registry";

const LOCAL = "localhost/audit-svc:ci";

export async function image(job: Job, exec: Exec, root = ROOT): Promise<void> {
  switch (job.argv[0]) {
    case "check":
      return buildah(job, exec, buildArguments(job.env, false));
    case "publish":
      return publish(job, exec, root, false);
    case "rebuild":
      return publish(job, exec, root, true);
    case "promote":
      return promote(job, exec, root);
    default:
      throw new Failure("usage: ci/image.ts check|publish|rebuild|promote");
  }
}

/** Tag that a branch's name becomes: the letters that a tag may have. */
export const tagOf = (ref: string): string => ref.replace(/[^A-Za-z0-9_.-]/g, "-").slice(0, 120);

async function publish(job: Job, exec: Exec, root: string, fresh: boolean): Promise<void> {
  const commit = required(job.env, "CI_COMMIT_SHA", "GitLab sets it in every job");
  const branch = tagOf(required(job.env, "CI_COMMIT_BRANCH", "images are published from the default branch"));
  await withHarbor(job, async (harbor) => {
    const digest = await buildAndPush(job, exec, root, harbor, fresh);
    const registry = new Registry(harbor);
    const repository = repositoryOf(job.env, harbor);
    const built = await registry.manifest(repository, commit);
    if (built?.digest !== digest) {
      throw new Failure(
        `Harbor has ${built?.digest ?? "nothing"} at ${repository}:${commit} instead of ${digest}, which was just pushed`,
      );
    }
    await registry.tag(repository, branch, built);
    announce(job, root, harbor, digest, [commit, branch]);
  });
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
  await withHarbor(job, async (harbor) => {
    const registry = new Registry(harbor);
    const repository = repositoryOf(env, harbor);
    let found = await registry.manifest(repository, commit);
    const present = await registry.manifest(repository, name);
    if (found === undefined) {
      if (env.PROMOTE_ONLY === "true") {
        throw new Failure(
          `there is no image of commit ${commit} at ${harbor.host}/${repository}; run the default branch's pipeline for that commit first`,
        );
      }
      job.say(`there is no image of commit ${commit} yet; building it`);
      await buildAndPush(job, exec, root, harbor, false);
      found = await registry.manifest(repository, commit);
      if (found === undefined) throw new Failure(`Harbor does not have ${repository}:${commit}, which was just pushed`);
    }
    // A release's name that meant another image yesterday would make rollbacks and records lie.
    if (present !== undefined && present.digest !== found.digest) {
      throw new Failure(
        `${repository}:${name} is ${present.digest} already, but commit ${commit} has ${found.digest}; tag a new version instead`,
      );
    }
    if (present === undefined) await registry.tag(repository, name, found);
    announce(job, root, harbor, found.digest, [name]);
  });
}

/** HARBOR_ variables need no login in Vault; without them Vault has the settings. */
async function withHarbor(job: Job, work: (harbor: Harbor) => Promise<void>): Promise<void> {
  const given = harborOf(job.env);
  if (given !== undefined) return work(given);
  const credentials = await obtainCredentials(job, "publish");
  try {
    const harbor = harborOf(job.env, credentials);
    if (harbor === undefined) {
      throw new Failure(
        `HARBOR_HOST, HARBOR_PROJECT, HARBOR_USERNAME, HARBOR_PASSWORD: not set by GitLab's Harbor integration, nor as CI variables, nor in Vault at ${credentials.where}`,
      );
    }
    await work(harbor);
  } finally {
    await credentials.vault.close();
  }
}

const repositoryOf = (env: Job["env"], harbor: Harbor): string =>
  `${harbor.project}/${optional(env, "HARBOR_IMAGE") ?? "audit-svc"}`;

/** Labels of the OCI image specification, which tell where an image comes from, and the build's arguments. */
export function buildArguments(env: Job["env"], fresh: boolean): string[] {
  const version = optional(env, "CI_COMMIT_TAG") ?? optional(env, "CI_COMMIT_SHORT_SHA") ?? "0.0.0";
  const labels = {
    "org.opencontainers.image.created": optional(env, "CI_COMMIT_TIMESTAMP"),
    "org.opencontainers.image.source": optional(env, "CI_PROJECT_URL"),
    "org.opencontainers.image.url": optional(env, "CI_PIPELINE_URL"),
    "org.opencontainers.image.ref.name": optional(env, "CI_COMMIT_REF_NAME"),
  };
  const bases = (["NODE_IMAGE", "RUNTIME_IMAGE"] as const).flatMap((name) => {
    const value = optional(env, name);
    return value === undefined ? [] : ["--build-arg", `${name}=${value}`];
  });
  return [
    "build",
    ...["--file", "audit-svc/Dockerfile", "--tag", LOCAL, "--layers"],
    ...(fresh ? ["--no-cache", "--pull-always"] : []),
    ...["--build-arg", `VERSION=${version}`, "--build-arg", `REVISION=${env.CI_COMMIT_SHA ?? ""}`],
    ...bases,
    ...Object.entries(labels).flatMap(([key, value]) => (value === undefined ? [] : ["--label", `${key}=${value}`])),
    ".",
  ];
}

async function buildAndPush(job: Job, exec: Exec, root: string, harbor: Harbor, fresh: boolean): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "ci-image-"));
  const auth = join(dir, "auth.json");
  const digestFile = join(dir, "digest");
  const tls = harbor.insecure ? ["--tls-verify=false"] : [];
  const repository = `${harbor.host}/${repositoryOf(job.env, harbor)}`;
  try {
    await buildah(
      job,
      exec,
      ["login", "--authfile", auth, "--username", harbor.username, "--password-stdin", ...tls, harbor.host],
      harbor.password,
    );
    const [command, ...rest] = buildArguments(job.env, fresh);
    const cache = fresh ? [] : ["--cache-from", `${repository}/cache`, "--cache-to", `${repository}/cache`];
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
    await writeSbom(job, exec, root);
    return readFileSync(digestFile, "utf8").trim();
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function buildah(job: Job, exec: Exec, args: readonly string[], input?: string): Promise<void> {
  const result = await exec("buildah", args, { input, echo: job.say, env: { ...job.env, HARBOR_PASSWORD: undefined } });
  if (result.code === 0) return;
  const lines = result.all.trim().split("\n");
  const said = lines.findLast((line) => /^error/i.test(line.trim())) ?? lines.at(-1) ?? "it said nothing";
  throw new Failure(
    `buildah ${args[0] ?? ""} failed: ${oneLine(said)
      .replace(/^error: /i, "")
      .slice(0, 400)}`,
  );
}

/** From the lock file: the image holds one bundled file, in which a scanner finds no packages. */
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
  const reference = `${harbor.host}/${repositoryOf(job.env, harbor)}@${digest}`;
  writeFileSync(join(root, "image.env"), `IMAGE=${reference}\n`);
  job.say(`IMAGE=${reference} (${tags.join(", ")})`);
}

if (require.main === module) runJob((job) => image(job, realExec));
