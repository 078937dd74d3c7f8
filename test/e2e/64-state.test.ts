import assert from "node:assert/strict";
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stateKey } from "../../sandbox/src/platform/names";
import { attached, root, run } from "./support/sandbox";

/** As in docs/runbook.md, into an empty backend: the one in use is not touched. */
describe("scenario: the state is restored from a backup", () => {
  const sandbox = attached();
  let directory: string;
  before(() => (directory = mkdtempSync(join(tmpdir(), "state-"))));
  after(() => rmSync(directory, { recursive: true }));

  const passwords = (exported: string) =>
    [...exported.matchAll(/"plaintext": "(.*)"/g)].map(([, value]) => value).sort();

  it("is complete in another backend: every secret, and nothing that a deploy would change", async () => {
    const file = join(directory, "state.json");
    await sandbox().mustPulumi("stack", "export", "--file", file);

    copyFileSync(join(root, "Pulumi.yaml"), join(directory, "Pulumi.yaml"));
    const settings = join(directory, "settings.yaml");
    copyFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), settings);
    const backend = { PULUMI_BACKEND_URL: `file://${directory}` };
    const made = await run(
      ["pulumi", "stack", "init", "sandbox", "--secrets-provider", `hashivault://${stateKey}`, "--non-interactive"],
      { ...sandbox().env, ...backend, PULUMI_OPTION_CONFIG_FILE: undefined },
      undefined,
      directory,
    );
    assert.equal(made.code, 0, made.output);

    const restored = { ...backend, PULUMI_OPTION_CONFIG_FILE: settings };
    const must = async (...args: string[]) => {
      const { code, output } = await sandbox().pulumi(args, restored);
      assert.equal(code, 0, output);
      return output;
    };
    await must("stack", "import", "--file", file);
    const secrets = passwords(await must("stack", "export", "--show-secrets"));
    assert.ok(secrets.length > 5, `only ${secrets.length} secrets`);
    assert.deepEqual(secrets, passwords(await sandbox().mustPulumi("stack", "export", "--show-secrets")));
    await must("preview", "--refresh", "--expect-no-changes");
  });

  it("is useless without the key in Vault", async () => {
    const { code, output } = await sandbox().pulumi(["stack", "export", "--show-secrets"], {
      PULUMI_BACKEND_URL: `file://${directory}`,
      VAULT_SERVER_TOKEN: "of-nobody",
    });
    assert.notEqual(code, 0, "the secrets were read without Vault");
    assert.match(output, /permission denied|403/);
  });
});
