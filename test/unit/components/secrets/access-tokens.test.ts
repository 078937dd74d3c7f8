import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as command from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { AccessTokens, type AccessTokensArgs } from "../../../../components/secrets/access-tokens";
import { UserError } from "../../../../lib/user-error";
import { messagesNameKeys } from "../../support/keys";
import { find, ofType, run, Secret, valueOf } from "../../support/program";
import { world } from "../../support/world";

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
const args = (more: Partial<AccessTokensArgs> = {}): AccessTokensArgs => ({
  applications: ["billing"],
  provider: world().vault.provider,
  mount: "secret",
  path: "audit-svc/vm2-tokens",
  ...more,
});
/** Tokens that are handed out once a command has run, as the service's replicas confirm them. */
const build = (more: Partial<AccessTokensArgs> = {}) =>
  run(() => {
    const tokens = new AccessTokens("audit", args(more));
    const confirmed = new command.local.Command("confirmed", {});
    return { tokens, versions: tokens.handOut([confirmed]) };
  });

describe("AccessTokens", () => {
  messagesNameKeys();

  it("has a secret in Vault for each holder, with that holder's token alone", async () => {
    const { resources } = await build();
    const secrets = ofType(resources, "SecretV2").map(({ inputs }) => {
      assert.ok(inputs.dataJson instanceof Secret);
      return [inputs.name, JSON.parse(inputs.dataJson.value as string)] as [string, unknown];
    });
    assert.deepEqual(Object.fromEntries(secrets), {
      "audit-svc/vm2-tokens/reader": { token: "password-of-audit-reader" },
      "audit-svc/vm2-tokens/writer-billing": { token: "password-of-audit-writer-billing" },
      "audit-svc/vm2-tokens/reader-billing": { token: "password-of-audit-reader-billing" },
    });
  });

  it("gives the service their hashes only, each writer and reader bound to its application", async () => {
    const { result } = await build();
    assert.deepEqual(await valueOf(result.tokens.hashes), [
      { name: "reader", role: "reader", sha256: sha256("password-of-audit-reader") },
      ...(["writer", "reader"] as const).map((role) => ({
        name: `${role}-billing`,
        role,
        application: "billing",
        sha256: sha256(`password-of-audit-${role}-billing`),
      })),
    ]);
    assert.equal(await pulumi.isSecret(result.tokens.hashes), true);
  });

  it("accepts both versions while a token is rotated, and writes the newer one to Vault", async () => {
    const { result, resources } = await build({ versions: { "writer-billing": [1, 2] } });
    const hashes = (await valueOf(result.tokens.hashes)).filter(({ name }) => name === "writer-billing");
    assert.deepEqual(
      hashes.map((one) => one.sha256),
      ["password-of-audit-writer-billing", "password-of-audit-writer-billing.v2"].map(sha256),
    );
    const { dataJson } = find(resources, "SecretV2", "audit-token-writer-billing").inputs;
    assert.equal((dataJson as Secret).value, '{"token":"password-of-audit-writer-billing.v2"}');
    const { parent, formerParents } = find(resources, "SecretV2", "audit-token-writer-billing");
    assert.match(parent, /::audit:index:TokenSecrets::audit$/, "what moves with the tokens");
    assert.deepEqual(formerParents, ["urn:pulumi:test::audit::audit:index:AccessTokens::audit"]);
    assert.deepEqual(await valueOf(result.versions), { reader: 1, "writer-billing": 2, "reader-billing": 1 });
  });

  it("drops a version that is no longer listed", async () => {
    const { result, resources } = await build({ versions: { "writer-billing": [2] } });
    assert.deepEqual(
      ofType(resources, "RandomPassword").map(({ name }) => name),
      ["audit-reader", "audit-writer-billing.v2", "audit-reader-billing"],
    );
    assert.equal((await valueOf(result.tokens.hashes)).length, 3);
  });

  it("hands a token out only after its dependencies are done", async () => {
    const { resources } = await build();
    for (const { name, dependsOn } of ofType(resources, "SecretV2")) {
      assert.ok(
        dependsOn.some((urn) => urn.endsWith("::confirmed")),
        name,
      );
    }
  });

  it("refuses to go back to a version from before the last that was handed out", async () => {
    const previous = { reader: 1, "writer-billing": 2 };
    const back = build({ versions: { "writer-billing": [1] }, previous });
    await assert.rejects(back, (error: Error) => {
      assert.ok(error instanceof UserError);
      assert.equal(
        error.message,
        "audit:tokenVersions gives writer-billing version 1, and the last deploy handed out 2: end the list of writer-billing with 2, or with 3 for another token. Nothing was changed.",
      );
      return true;
    });
    for (const versions of [[1, 2], [2], [2, 3], [3]])
      await build({ versions: { "writer-billing": versions }, previous });
  });
});
