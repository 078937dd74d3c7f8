import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import * as pulumi from "@pulumi/pulumi";
import { AccessTokens } from "../../../components/access-tokens";
import { find, run, Secret, valueOf } from "../support/program";
import { world } from "../support/world";

const build = () =>
  new AccessTokens("audit", {
    applications: ["billing", "crm"],
    provider: world().vault.provider,
    mount: "secret",
    path: "audit-svc/vm2-tokens",
  });

describe("AccessTokens", () => {
  it("keeps the tokens in Vault, by holder", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "SecretV2", "audit-tokens");
    assert.equal(inputs.name, "audit-svc/vm2-tokens");
    assert.ok(inputs.dataJson instanceof Secret);
    assert.deepEqual(JSON.parse(inputs.dataJson.value as string), {
      reader: "password-of-audit-reader",
      "writer-billing": "password-of-audit-writer-billing",
      "writer-crm": "password-of-audit-writer-crm",
    });
  });

  it("gives the service their hashes only, each writer bound to its application", async () => {
    const { result } = await run(build);
    const hashes = await valueOf(result.hashes);
    const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
    assert.deepEqual(hashes, [
      { name: "reader", sha256: sha256("password-of-audit-reader"), role: "reader" },
      {
        name: "billing",
        sha256: sha256("password-of-audit-writer-billing"),
        role: "writer",
        application: "billing",
      },
      { name: "crm", sha256: sha256("password-of-audit-writer-crm"), role: "writer", application: "crm" },
    ]);
    assert.equal(await pulumi.isSecret(result.hashes), true);
  });
});
