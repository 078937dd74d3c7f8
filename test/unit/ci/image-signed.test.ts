import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { describe, it } from "mocha";
import { image } from "../../../ci/image";
import { COMMIT, KIND, onTag, settings, sha } from "./support/harbor";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { payloadOf, registryWith, testSigner, transitWith } from "./support/registry";
import { jobDirectory } from "./support/stack";

describe("ci: image, with VAULT_IMAGE_KEY", () => {
  const dir = jobDirectory();
  const none = commands({});
  const MANIFEST = '{"manifest":5}';
  const TAG = `sha256-${sha(MANIFEST).slice("sha256:".length)}.sig`;
  const at = "audit/audit-svc";
  /** Harbor as a plain registry, a builder that pushes to it, and a Vault that signs that image alone. */
  const world = async (vaulted = true) => {
    const shelves = await registryWith("robot$ci:of-the-robot");
    const signer = testSigner();
    const { HARBOR_HOST, CI_COMMIT_SHA, ...rest } = settings(shelves);
    const texts = [payloadOf(`${shelves.host}/${at}`, sha(MANIFEST))];
    const vault = await vaultWith(
      { "secret/ci/audit/publish": vaulted ? { HARBOR_HOST, ...rest } : {} },
      transitWith(signer, texts),
    );
    const put = (tag: string, body = MANIFEST) => shelves.manifests.set(`${at}:${tag}`, { kind: KIND, body });
    const built = commands({
      "buildah push": ({ line }) => {
        put(COMMIT);
        writeFileSync(/--digestfile (\S+)/.exec(line)?.[1] ?? "", `${sha(MANIFEST)}\n`);
        return {};
      },
      "npm sbom": () => ({ stdout: "{}" }),
      buildah: () => ({}),
    });
    const env = {
      ...{ CI_COMMIT_SHA, CI_COMMIT_BRANCH: "main", VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) },
      ...(vaulted ? {} : { HARBOR_HOST, ...rest }),
      VAULT_IMAGE_KEY: "audit-image",
    };
    return { shelves, signer, vault, put, built, env, tags: () => [...shelves.manifests.keys()].map((key) => key.slice(at.length + 1)) }; // prettier-ignore
  };

  it("signs what it built and pushed, even if Harbor's settings are CI variables", async () => {
    for (const vaulted of [true, false]) {
      const { built, env, tags, vault } = await world(vaulted);
      const { job, log } = jobWith(env, "publish");
      await image(job, built.exec, dir());
      assert.deepEqual(tags(), [COMMIT, "main", TAG]);
      assert.ok(log.includes("signed with Vault's transit/keys/audit-image"), log.join("\n"));
      assert.equal(vault.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
    }
  });

  it("does not sign what it promotes: Harbor may have another image at the commit's tag than was built", async () => {
    const { put, env, tags, vault } = await world();
    put(COMMIT);
    await image(jobWith({ ...env, ...onTag }, "promote").job, none.exec, dir());
    assert.deepEqual(tags(), [COMMIT, "v1.2.0"]);
    assert.ok(!vault.asked.some(({ path }) => path.includes("/sign/")));
  });

  it("signs what the tag's own pipeline had to build", async () => {
    const { built, env, tags } = await world();
    await image(jobWith({ ...env, ...onTag, PROMOTE_ONLY: "false" }, "promote").job, built.exec, dir());
    assert.deepEqual(tags(), [COMMIT, TAG, "v1.2.0"]);
  });

  it("says before it builds that the key does not exist", async () => {
    const { built, env } = await world();
    await failsWith(
      image(jobWith({ ...env, VAULT_IMAGE_KEY: "nobodys" }, "publish").job, built.exec, dir()),
      "Vault has no transit/keys/nobodys; bootstrap makes the key",
    );
    assert.deepEqual(built.calls, []);
  });
});
