import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { deploy } from "../../../ci/deploy";
import { Registry } from "../../../ci/lib/registry";
import { signImage } from "../../../ci/lib/signature";
import { commands, failsWith, jobWith } from "./support/job";
import { registryWith, testSigner } from "./support/registry";
import { jobDirectory, login, onTag, output, OUTPUTS, ups } from "./support/stack";

describe("ci: deploy, where audit:imageKey names a key", () => {
  const dir = jobDirectory();

  /** A stack whose repository is a registry here, with a release in each slot; and what its file says. */
  const stackWith = async (more: Record<string, string> = {}, variables: Record<string, string> = {}) => {
    const shelves = await registryWith("robot$vm2:of-the-puller");
    const signer = testSigner();
    writeFileSync(join(dir(), "image-key.pem"), signer.pem);
    const at = (letter: string) => `${shelves.host}/audit/audit-svc@sha256:${letter.repeat(64)}`;
    const { slots } = OUTPUTS.releases;
    const releases = {
      active: "blue",
      slots: { blue: { ...slots.blue, image: at("a") }, green: { ...slots.green, image: at("b") } },
    };
    const file = {
      "audit:hostAddress": "ssh://deploy@vm2.example.com",
      "audit:image": at("0"),
      "audit:imageKey": "image-key.pem",
      "audit:registryUsername": "robot$vm2",
      ...more,
    };
    const table = {
      "pulumi config": output(Object.fromEntries(Object.entries(file).map(([key, value]) => [key, { value }]))),
      "stack output": output({ ...OUTPUTS, image: at("a"), releases }),
      "pulumi up": () => ({}),
    };
    const { exec, calls } = commands(table);
    const env = { ...(await login("deploy")), ...onTag, HARBOR_URL: shelves.url, IMAGE: at("c"), ...variables };
    const signed = (letter: string) =>
      signImage(
        new Registry({ ...shelves, username: "robot$vm2", password: "of-the-puller" }),
        { registry: shelves.host, repository: "audit/audit-svc", digest: `sha256:${letter.repeat(64)}` },
        signer,
      );
    const run = async (...argv: string[]) => {
      const { job, log } = jobWith(env, ...argv);
      await deploy(job, exec, dir());
      return log;
    };
    const changedNothing = () =>
      assert.deepEqual(
        calls.filter(({ line }) => /^pulumi up|docker version/.test(line)),
        [],
      );
    return { shelves, signer, at, signed, run, calls, changedNothing };
  };

  it("deploys an image with a signature of that key", async () => {
    const { signed, run, calls } = await stackWith();
    await signed("c");
    const log = await run();
    assert.ok(log.includes(`sha256:${"c".repeat(64)} is signed by the key of image-key.pem`), log.join("\n"));
    assert.equal(ups(calls).length, 1);
  });

  it("refuses an image without one, before anything is changed, and says what to do", async () => {
    const { at, run, changedNothing } = await stackWith();
    await failsWith(
      run(),
      `${at("c")} is not deployed, and nothing was changed: audit:imageKey demands a signature of the key in image-key.pem, and it has no signature. The job publish signs what it builds when VAULT_IMAGE_KEY is set; for an image that is there already see "Signed images" in docs/reference.md`,
    );
    changedNothing();
  });

  it("refuses one that another key has signed, and one with the signature of another image", async () => {
    const { shelves, signer, signed, run, changedNothing } = await stackWith();
    await signed("c");
    writeFileSync(join(dir(), "image-key.pem"), testSigner().pem);
    await failsWith(run(), /and none of its signatures is by that key\./);
    // What anybody who can push to the registry has: the signature of a former good release.
    writeFileSync(join(dir(), "image-key.pem"), signer.pem);
    await signed("a");
    const ofA = shelves.manifests.get(`audit/audit-svc:sha256-${"a".repeat(64)}.sig`);
    assert.ok(ofA);
    shelves.manifests.set(`audit/audit-svc:sha256-${"c".repeat(64)}.sig`, ofA);
    await failsWith(run(), /and its signature is of another image, \S+@sha256:a{64}\./);
    changedNothing();
  });

  it("goes back to a release that is signed, and to no other", async () => {
    const { at, signed, run, calls, changedNothing } = await stackWith();
    await failsWith(run("rollback"), new RegExp(`^${at("b")} is not deployed, and nothing was changed: `));
    changedNothing();
    await signed("b");
    await run("rollback");
    assert.match(ups(calls)[0] ?? "", new RegExp(` --config audit:image=${at("b")} `));
  });

  it("refuses when it cannot check: without the file, or with a login that is refused", async () => {
    const tried = async (more: Record<string, string>, why: RegExp) => {
      const { run, changedNothing, signed } = await stackWith(more);
      await signed("c");
      await failsWith(run(), why);
      changedNothing();
    };
    await tried({ "audit:imageKey": "none.pem" }, /^the signature of \S+, which audit:imageKey demands, cannot be checked, so nothing was changed: \S+none\.pem cannot be read/); // prettier-ignore
    await tried({ "audit:registryUsername": "nobody" }, /refused the login of nobody; check audit:registryUsername and AUDIT_REGISTRY_PASSWORD$/); // prettier-ignore
    await tried({ "audit:registryUsername": "" }, /refused the login of an anonymous login; check /);
  });

  it("does not send the registry's password to another host in HARBOR_URL", async () => {
    const mallory = await registryWith();
    const { run, changedNothing } = await stackWith({}, { HARBOR_URL: mallory.url });
    // By https, as without HARBOR_URL, but this registry has no TLS.
    await failsWith(run(), /^the signature of .* cannot be checked, so nothing was changed: Harbor at https:/);
    assert.equal(mallory.asked.length, 0);
    changedNothing();
  });
});
