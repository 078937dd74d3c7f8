import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { buildArguments, image, jobsImage, serviceImage, tagOf } from "../../../ci/image";
import { COMMIT, KIND, harborWith, onTag, settings, sha } from "./support/harbor";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { jobDirectory } from "./support/stack";

describe("ci: image", () => {
  const dir = jobDirectory();
  const handedOn = (): string => readFileSync(join(dir(), "image.env"), "utf8");
  /** A builder that pushes `manifest` under the commit. */
  const builder = (tags: Record<string, string>, manifest: string) =>
    commands({
      "buildah info": () => ({}),
      "buildah login": () => ({}),
      "buildah build": () => ({}),
      "buildah push": ({ line }) => {
        tags[COMMIT] = manifest;
        writeFileSync(/--digestfile (\S+)/.exec(line)?.[1] ?? "", `${sha(manifest)}\n`);
        return {};
      },
      "npm sbom": () => ({ stdout: '{"spdxVersion":"SPDX-2.3"}' }),
    });
  const none = commands({});

  describe("promote", () => {
    it("names what the default branch built, without a build", async () => {
      const tags: Record<string, string> = { [COMMIT]: '{"manifest":1}' };
      const harbor = await harborWith(tags);
      const { job } = jobWith({ ...settings(harbor), ...onTag }, "promote");
      await image(job, none.exec, dir());
      assert.equal(tags["v1.2.0"], '{"manifest":1}');
      assert.equal(harbor.asked.find(({ method }) => method === "PUT")?.headers["content-type"], KIND);
      assert.equal(handedOn(), `IMAGE=${new URL(harbor.url).host}/audit/audit-svc@${sha('{"manifest":1}')}\n`);
      // Again, as when the job is retried: nothing more is written.
      const before = harbor.asked.filter(({ method }) => method === "PUT").length;
      await image(job, none.exec, dir());
      assert.equal(harbor.asked.filter(({ method }) => method === "PUT").length, before);
    });

    it("builds when the commit has no image and PROMOTE_ONLY is false", async () => {
      const tags: Record<string, string> = {};
      const harbor = await harborWith(tags);
      const built = builder(tags, '{"manifest":2}');
      await image(jobWith({ ...settings(harbor), ...onTag, PROMOTE_ONLY: "false" }, "promote").job, built.exec, dir());
      assert.equal(tags["v1.2.0"], '{"manifest":2}');
      assert.match(readFileSync(join(dir(), "build/sbom.spdx.json"), "utf8"), /SPDX/);
    });

    it("fails when the commit has no image: nobody has checked it", async () => {
      const harbor = await harborWith({});
      const host = new URL(harbor.url).host;
      await failsWith(
        image(jobWith({ ...settings(harbor), ...onTag }, "promote").job, none.exec, dir()),
        `there is no image of commit ${COMMIT} at ${host}/audit/audit-svc; it must be on the default branch and its pipeline there be over`,
      );
    });

    it("does not move a release's tag to another image", async () => {
      const harbor = await harborWith({ [COMMIT]: "{}", "v1.2.0": '{"other":1}' });
      await failsWith(
        image(jobWith({ ...settings(harbor), ...onTag }, "promote").job, none.exec, dir()),
        `audit/audit-svc:v1.2.0 is ${sha('{"other":1}')} already, but commit ${COMMIT} has ${sha("{}")}; tag a new version instead`,
      );
    });

    it("refuses a tag that is not protected", async () => {
      const harbor = await harborWith({ [COMMIT]: "{}" });
      await failsWith(
        image(jobWith({ ...settings(harbor), CI_COMMIT_TAG: "v1" }, "promote").job, none.exec, dir()),
        "tag v1 is not protected; protect it in Settings > Repository > Protected tags, then run the pipeline again",
      );
      assert.equal(harbor.asked.length, 0);
    });

    it("refuses a tag that an image cannot have", async () => {
      const env = { ...settings(await harborWith({})), ...onTag, CI_COMMIT_TAG: "release/1" };
      await failsWith(
        image(jobWith(env, "promote").job, none.exec),
        'tag release/1 cannot be an image\'s tag; use letters, digits, ".", "_" and "-" only',
      );
    });
  });

  describe("Harbor refusing", () => {
    it("the login", async () => {
      const env = { ...settings(await harborWith({})), ...onTag, HARBOR_PASSWORD: "wrong-password" };
      await failsWith(
        image(jobWith(env, "promote").job, none.exec, dir()),
        `Harbor ${new URL(env.HARBOR_URL).host} refused the login of robot$ci; check HARBOR_USERNAME and HARBOR_PASSWORD (a robot's name contains $: its variable must not be expanded)`,
      );
    });

    it("a push, with its own message", async () => {
      const harbor = await harborWith({ [COMMIT]: "{}" }, ({ method }) =>
        method === "PUT" ? [412, "tag v1.2.0 is immutable"] : undefined,
      );
      const env = { ...settings(harbor), ...onTag };
      await failsWith(
        image(jobWith(env, "promote").job, none.exec, dir()),
        `Harbor ${new URL(harbor.url).host} refused tagging audit/audit-svc:v1.2.0 to robot$ci: 412 tag v1.2.0 is immutable`,
      );
    });

    it("by not answering at all", async () => {
      const env = { ...settings(await harborWith({})), ...onTag, HARBOR_URL: "http://127.0.0.1:1" };
      await failsWith(
        image(jobWith(env, "promote").job, none.exec, dir()),
        /^Harbor at http:\/\/127\.0\.0\.1:1\/v2\/ \(HARBOR_URL, HARBOR_HOST\) does not answer: /,
      );
    });

    it("the builder's push", async () => {
      const tags = {};
      const env = { ...settings(await harborWith(tags)), CI_COMMIT_BRANCH: "main" };
      const { exec } = commands({
        "buildah info": () => ({}),
        "buildah login": () => ({}),
        "buildah build": () => ({}),
        "buildah push": () => ({
          code: 125,
          all: "Getting image source signatures\nError: writing manifest: denied: quota exceeded\n",
        }),
      });
      await failsWith(
        image(jobWith(env, "publish").job, exec, dir()),
        "buildah push failed: writing manifest: denied: quota exceeded",
      );
    });
  });

  describe("publish", () => {
    it("tags commit and branch, and passes the digest on", async () => {
      const tags: Record<string, string> = {};
      const harbor = await harborWith(tags);
      const env = {
        ...settings(harbor),
        CI_COMMIT_BRANCH: "feature/x",
        CI_PROJECT_URL: "https://gitlab.example.com/team/audit",
      };
      const built = builder(tags, '{"manifest":3}');
      await image(jobWith(env, "publish").job, built.exec, dir());
      assert.deepEqual(Object.keys(tags).sort(), [COMMIT, "feature-x"]);
      const { host } = new URL(harbor.url);
      assert.equal(handedOn(), `IMAGE=${host}/audit/audit-svc@${sha('{"manifest":3}')}\n`);
      assert.ok(built.calls.some(({ line }) => line.startsWith("buildah login") && line.endsWith(` ${host}`)));
      assert.ok(built.calls.some(({ line }) => line.endsWith(` docker://${host}/audit/audit-svc:${COMMIT}`)));
      const build = built.calls.find(({ line }) => line.startsWith("buildah build"))?.line ?? "";
      assert.match(build, / --cache-from \S+\/audit\/audit-svc\/cache --cache-to \S+\/audit\/audit-svc\/cache /);
      assert.match(build, / --label org\.opencontainers\.image\.source=https:\/\/gitlab\.example\.com\/team\/audit /);
    });

    it("keeps the password out of arguments and environment", async () => {
      const tags = {};
      const env = { ...settings(await harborWith(tags)), CI_COMMIT_BRANCH: "main" };
      const built = builder(tags, "{}");
      await image(jobWith(env, "publish").job, built.exec, dir());
      const login = built.calls.find(({ line }) => line.startsWith("buildah login"));
      assert.equal(login?.options.input, "of-the-robot");
      for (const { line, options } of built.calls) {
        assert.equal(line.includes("of-the-robot"), false, line);
        assert.equal(options.env?.HARBOR_PASSWORD, undefined);
      }
    });

    it("fails when Harbor has something else than was pushed", async () => {
      const tags: Record<string, string> = {};
      const env = { ...settings(await harborWith(tags)), CI_COMMIT_BRANCH: "main" };
      const { exec } = commands({
        "buildah push": ({ line }) => {
          writeFileSync(/--digestfile (\S+)/.exec(line)?.[1] ?? "", sha("mine"));
          tags[COMMIT] = "somebody's";
          return {};
        },
        "npm sbom": () => ({ stdout: "{}" }),
        buildah: () => ({}),
      });
      await failsWith(
        image(jobWith(env, "publish").job, exec, dir()),
        /^Harbor has sha256:\w+ at audit\/audit-svc:\w+ instead of sha256:\w+, which was just pushed$/,
      );
    });

    it("rebuilds without caches on the newest base", async () => {
      const tags: Record<string, string> = {};
      const env = { ...settings(await harborWith(tags)), CI_COMMIT_BRANCH: "main" };
      const built = builder(tags, "{}");
      await image(jobWith(env, "rebuild").job, built.exec, dir());
      const build = built.calls.find(({ line }) => line.startsWith("buildah build"))?.line ?? "";
      assert.match(build, / --no-cache --pull-always /);
      assert.equal(build.includes("--cache-from"), false);
    });
  });

  it("builds the image of the jobs on its newest base, and prints the value for CI_IMAGE", async () => {
    const tags: Record<string, string> = {};
    const harbor = await harborWith(tags, () => undefined, "audit-ci");
    const env = { ...settings(harbor), CI_COMMIT_BRANCH: "main", PULUMI_IMAGE: "harbor.example.com/hub/pulumi:3" };
    const built = builder(tags, "{}");
    const { job, log } = jobWith(env, "tools");
    await image(job, built.exec, dir());
    const build = built.calls.find(({ line }) => line.startsWith("buildah build"))?.line ?? "";
    assert.match(
      build,
      / --file ci\/Dockerfile .* --no-cache --pull-always .* --build-arg PULUMI_IMAGE=harbor\.example\.com\/hub\/pulumi:3 /,
    );
    assert.deepEqual(Object.keys(tags), [COMMIT, "main"]);
    assert.equal(log.at(-1), `CI_IMAGE=${new URL(harbor.url).host}/audit/audit-ci@${sha("{}")} (${COMMIT}, main)`);
    // Later jobs would mistake it for the service's.
    assert.equal(existsSync(join(dir(), "image.env")), false);
  });

  it("builds the jobs' image on the Pulumi version in versions.json", () => {
    const root = join(__dirname, "../../..");
    const { tools } = JSON.parse(readFileSync(join(root, "versions.json"), "utf8")) as { tools: { pulumi: string } };
    const text = readFileSync(join(root, jobsImage.file), "utf8");
    assert.match(text, new RegExp(`^ARG PULUMI_IMAGE=\\S+:${tools.pulumi.replaceAll(".", "\\.")}$`, "m"));
  });

  it("takes Harbor's settings from Vault when GitLab has none", async () => {
    const tags: Record<string, string> = { [COMMIT]: "{}" };
    const harbor = await harborWith(tags);
    const { CI_COMMIT_SHA, ...harbors } = settings(harbor);
    const vault = await vaultWith({ "secret/ci/audit/publish": harbors });
    const env = { ...onTag, CI_COMMIT_SHA, VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) };
    await image(jobWith(env, "promote").job, none.exec, dir());
    assert.equal(tags["v1.2.0"], "{}");
    assert.equal(vault.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
  });

  it("names all three places when there are no settings", async () => {
    const vault = await vaultWith({});
    const env = { ...onTag, CI_COMMIT_SHA: COMMIT, VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) };
    await failsWith(
      image(jobWith(env, "promote").job, none.exec, dir()),
      "HARBOR_HOST, HARBOR_PROJECT, HARBOR_USERNAME, HARBOR_PASSWORD: not set by GitLab's Harbor integration, nor as CI variables, nor in Vault at secret/ci/audit/publish",
    );
  });

  it("checks a merge request's image without secrets and without a push", async () => {
    // A runner that does not allow mounts.
    const refused = { code: 1, all: "'overlay' is not supported over overlayfs" };
    const { exec, calls } = commands({ "buildah info": () => refused, "buildah build": () => ({}) });
    await image(
      jobWith({ CI_COMMIT_SHA: COMMIT, NODE_IMAGE: "harbor.example.com/hub/node:24" }, "check").job,
      exec,
      dir(),
    );
    assert.deepEqual(calls.map(({ line }) => line.split(" ").slice(0, 2).join(" ")), ["buildah info", "buildah build"]); // prettier-ignore
    assert.equal(calls[1]?.options.env?.STORAGE_DRIVER, "vfs");
    assert.equal(calls[1].line.includes("--layers"), false);
    assert.match(calls[1].line, / --build-arg NODE_IMAGE=harbor\.example\.com\/hub\/node:24 /);
  });

  it("prints its usage", () =>
    failsWith(image(jobWith({}, "pusj").job, none.exec), "usage: ci/image.ts check|publish|rebuild|promote|tools"));

  it("makes a tag of any branch name", () => {
    assert.equal(tagOf("feature/Ünicode#1"), "feature--nicode-1");
    assert.equal(buildArguments({ CI_COMMIT_TAG: "v1" }, serviceImage, false).includes("VERSION=v1"), true);
  });
});
