import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { AgentLogin } from "./support/agent-login";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { attached } from "./support/sandbox";

interface StateOf {
  deployment: { resources: { urn: string; id?: string; retainOnDelete?: boolean }[] };
}

/**
 * A stack whose program had made policy and role itself, as every stack before `audit:vaultPolicies`, and with a token
 * that may: it hands them over to bootstrap, and the agent can log in at every moment.
 */
describe("scenario: the agents' policies and roles become bootstrap's", () => {
  const sandbox = attached();
  const POLICY = "sys/policies/acl/audit-svc";
  const ROLE = "auth/approle/role/audit-svc";
  let settings = "";
  const adopted = async () =>
    (JSON.parse(await sandbox().mustPulumi("stack", "export")) as StateOf).deployment.resources.filter(({ urn }) =>
      /[:$]vault:(index\/policy|appRole)/.test(urn),
    );
  /** Everything of Vault's audit log that a write to policy or role would leave there is left in their versions and ids. */
  const held = async () => [
    await sandbox().vault("GET", POLICY, undefined, rootToken()),
    await sandbox().vault("GET", ROLE, undefined, rootToken()),
    await sandbox().vault("GET", `${ROLE}/role-id`, undefined, rootToken()),
    await sandbox().vault("GET", "transit/keys/audit-svc-log", undefined, rootToken()),
  ];
  const without = (answers: unknown[]) =>
    answers.map((answer) => (answer as { data: Record<string, unknown> } | undefined)?.data);

  before(async () => {
    settings = readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8");
    const { code, output } = await sandbox().pulumi(
      ["up", "--yes", "--skip-preview", "--config", "audit:vaultPolicies=program"],
      { VAULT_TOKEN: rootToken() },
    );
    assert.equal(code, 0, output);
    assert.deepEqual(
      (await adopted()).map(({ retainOnDelete }) => retainOnDelete ?? false),
      [false, false],
      "the program is the owner",
    );
  });
  after(() => writeFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), settings));

  it("refuses to go on with a token that may not write them, and changes nothing", async () => {
    await sandbox().vault("POST", ROLE, { token_ttl: 60, token_policies: "audit-svc,other" }, rootToken());
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
    assert.notEqual(code, 0);
    assert.match(output, /403/, "the owner wants to mend its role");
    await mustBootstrap(sandbox());
  });

  it("adopts them in an ordinary deploy that writes neither, and the agent stays logged in", async () => {
    writeFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), settings);
    const before = without(await held());
    // The refused update stays in the state as the role's error until a refresh.
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--refresh"]);
    assert.equal(code, 0, output);
    // The log's key leaves the state alone: in Vault it is as it was.
    assert.doesNotMatch(output, /vault:(?!transit)\S+ .*(created|updated|deleted|replaced)/);
    assert.deepEqual(without(await held()), before);
    assert.deepEqual(
      (await adopted()).map(({ retainOnDelete }) => retainOnDelete),
      [true, true],
    );
    await new AgentLogin(sandbox()).assertCurrent();
    const again = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(again.code, 0, again.output);
  });

  it("delivers another secret_id when bootstrap had to recreate the role", async () => {
    await sandbox().vault("DELETE", ROLE, undefined, rootToken());
    const refused = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
    assert.match(refused.output, /auth\/approle\/role\/audit-svc: /);
    assert.notEqual(refused.code, 0);
    await mustBootstrap(sandbox());
    await sandbox().mustPulumi("up", "--yes", "--skip-preview", "--refresh");
    await new AgentLogin(sandbox()).assertCurrent();
  });
});
