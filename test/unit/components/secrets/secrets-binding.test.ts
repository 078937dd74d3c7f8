import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { SecretsBinding } from "../../../../components/secrets/secrets-binding";
import type { ReloadPort } from "../../../../lib/release-state";
import type { TransitKey } from "../../../../lib/vault/rights";
import { find, run, Secret, valueOf } from "../../support/program";
import { world } from "../../support/world";

const build = (
  boundCidrs?: string[],
  secretIdIssue = "2026-01-01T00:00:00.000Z",
  reloadOn?: ReloadPort,
  signing?: TransitKey,
) => {
  return new SecretsBinding("audit-svc", {
    signing,
    ...world({ reloadOn, vault: { boundCidrs, secretIdIssue } }),
    secret: { mount: "secret", path: "audit-svc/vm2" },
    data: { database: { password: "do-not-show" } },
  });
};

describe("SecretsBinding", () => {
  it("stores the data as a secret", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "SecretV2", "audit-svc-secret");
    assert.ok(inputs.dataJson instanceof Secret);
    assert.equal(inputs.dataJson.value, '{"database":{"password":"do-not-show"}}');
    assert.equal(inputs.mount, "secret");
    assert.equal(inputs.name, "audit-svc/vm2");
  });

  it("lets the role read that path and have no other policy", async () => {
    const { resources } = await run(() => build(["10.0.0.7/32"]));
    assert.equal(
      find(resources, "Policy", "audit-svc-policy").inputs.policy,
      'path "secret/data/audit-svc/vm2" {\n  capabilities = ["read"]\n}\n' +
        'path "auth/token/renew-self" {\n  capabilities = ["update"]\n}\n' +
        'path "auth/token/lookup-self" {\n  capabilities = ["read"]\n}\n',
    );
    const { inputs } = find(resources, "AuthBackendRole", "audit-svc-role");
    assert.deepEqual(inputs.tokenPolicies, ["audit-svc"]);
    assert.equal(inputs.tokenNoDefaultPolicy, true);
    assert.equal(inputs.tokenPeriod, 3600);
    assert.deepEqual(inputs.secretIdBoundCidrs, ["10.0.0.7/32"]);
    assert.deepEqual(inputs.tokenBoundCidrs, ["10.0.0.7/32"]);
  });

  it("lets the service sign with one key, over a socket that its group alone may use", async () => {
    const key = { mount: "transit", key: "audit-svc-log" };
    const { resources } = await run(() => build(undefined, undefined, undefined, key));
    assert.equal(
      find(resources, "Policy", "audit-svc-policy").inputs.policy,
      'path "secret/data/audit-svc/vm2" {\n  capabilities = ["read"]\n}\n' +
        'path "transit/sign/audit-svc-log" {\n  capabilities = ["update"]\n}\n' +
        'path "transit/keys/audit-svc-log" {\n  capabilities = ["read"]\n}\n' +
        'path "auth/token/renew-self" {\n  capabilities = ["update"]\n}\n' +
        'path "auth/token/lookup-self" {\n  capabilities = ["read"]\n}\n',
    );
    const files = find(resources, "Command", "audit-svc-agent-files").inputs.stdin as string;
    assert.ok(files.includes(readFileSync("test/unit/vault-agent/expected/socket.hcl", "utf8")));
    const without = find((await run(build)).resources, "Command", "audit-svc-agent-files").inputs.stdin as string;
    assert.doesNotMatch(without, /vault\.sock/);
  });

  it("serves a third-party container, which nobody tells to reload", async () => {
    const { result, resources } = await run(() => {
      const { vm, vault } = world();
      return new SecretsBinding("alone", { vm, vault, secret: { mount: "secret", path: "alone" }, data: { key: "k" } });
    });
    assert.equal(await valueOf(result.configVolume), "alone-rendered");
    const files = find(resources, "Command", "alone-agent-files").inputs.stdin as string;
    assert.match(files, /^ {2}destination {10}= "\/run\/audit\/config\.json"$/m);
    assert.doesNotMatch(files, /exec \{|reload\.sh\n/);
    const { envs, mounts, networksAdvanced } = find(resources, "Container", "alone-agent").inputs;
    assert.doesNotMatch(JSON.stringify([envs, mounts]), /FLAG_FILE|REPLICAS|-release/);
    assert.deepEqual(
      (networksAdvanced as { name: string }[]).map(({ name }) => name),
      ["audit-admin", "audit-egress"],
    );
    assert.throws(() => result.confirmation({ parent: result, dependsOn: [] }), /needs the argument slots/);
  });

  it("makes no resource of the secret_id, and shows the secret nowhere else", async () => {
    const { resources } = await run(build);
    assert.ok(!resources.some((r) => r.type.includes("SecretId")));
    for (const r of resources.filter((x) => !x.type.endsWith(":SecretV2"))) {
      assert.doesNotMatch(JSON.stringify(r.inputs), /do-not-show/, r.name);
    }
  });

  it("runs the agent restricted, on the networks admin and egress, not on nginx's", async () => {
    const { resources } = await run(build);
    const { inputs } = find(resources, "Container", "audit-svc-agent");
    assert.equal(inputs.user, "100:10001");
    assert.equal(inputs.readOnly, true);
    assert.deepEqual(inputs.capabilities, { drops: ["ALL"] });
    assert.deepEqual(inputs.networksAdvanced, [
      { name: "audit-admin", ipv4Address: "172.29.97.2" },
      { name: "audit-egress" },
    ]);
    assert.equal(inputs.ports, undefined);
    const mounts = inputs.mounts as { target: string; readOnly?: boolean }[];
    assert.equal(mounts.find((m) => m.target === "/credentials")?.readOnly, true);
  });

  it("puts the agent on nginx's network only while a replica takes its reload there", async () => {
    const { resources } = await run(() => build(undefined, undefined, "main"));
    const { inputs } = find(resources, "Container", "audit-svc-agent");
    assert.deepEqual(inputs.networksAdvanced, [
      { name: "audit-admin", ipv4Address: "172.29.97.2" },
      { name: "audit-front", ipv4Address: "172.29.96.4" },
      { name: "audit-egress" },
    ]);
    assert.ok(
      (inputs.envs as string[]).some((line) =>
        line.startsWith("AUDIT_BLUE_REPLICAS=audit-svc-blue-1=http://172.29.96.16:8080/reload"),
      ),
    );
  });

  it("renders into a tmpfs, readable by the service's group", async () => {
    const { resources } = await run(build);
    assert.deepEqual(find(resources, "Volume", "audit-svc-rendered").inputs, {
      name: "audit-svc-rendered",
      driver: "local",
      driverOpts: { type: "tmpfs", device: "tmpfs", o: "size=1m,mode=0750,uid=100,gid=10001" },
    });
  });

  it("replaces the agent when its files change, since it reads them only at start", async () => {
    const label = async (address: string) => {
      const { resources } = await run(() => {
        return new SecretsBinding("audit-svc", {
          ...world({ vault: { address, agentAddress: address } }),
          secret: { mount: "secret", path: "p" },
          data: {},
        });
      });
      return JSON.stringify(find(resources, "Container", "audit-svc-agent").inputs.labels);
    };
    assert.equal(await label("https://a.test"), await label("https://a.test"));
    assert.notEqual(await label("https://a.test"), await label("https://b.test"));
  });

  it("issues another secret_id with another issue, and then revokes the former once the agent is logged in", async () => {
    const issued = async (issue?: string) => {
      const { resources } = await run(() => build(undefined, issue));
      return {
        command: find(resources, "Command", "audit-svc-secret-id"),
        revoke: find(resources, "Command", "audit-svc-logged-in"),
      };
    };
    const { command, revoke } = await issued();
    assert.deepEqual(command.inputs.triggers, (await issued()).command.inputs.triggers);
    assert.notDeepEqual(command.inputs.triggers, (await issued("2026-04-01T00:00:00.000Z")).command.inputs.triggers);
    assert.deepEqual(revoke.inputs.triggers, ["id-of-audit-svc-secret-id", "id-of-audit-svc-agent"]);
    const environment = revoke.inputs.environment as Record<string, string>;
    assert.equal(environment.AUDIT_APPROLE, "auth/approle/role/audit-svc");
    assert.match(environment.AUDIT_LOGGED_IN ?? "", / wait-login\.sh audit-svc-agent 60'$/);
  });

  it("issues the secret_id before the agent starts, and again when the role is recreated", async () => {
    const { resources } = await run(build);
    const issue = find(resources, "Command", "audit-svc-secret-id");
    assert.ok(find(resources, "Container", "audit-svc-agent").dependsOn.includes(issue.urn));
    assert.equal((issue.inputs.triggers as string[])[0], "role-id");
    const environment = issue.inputs.environment as Record<string, string>;
    assert.equal(environment.AUDIT_APPROLE, "auth/approle/role/audit-svc");
    assert.equal(
      environment.VAULT_TOKEN,
      undefined,
      "the token comes from the process's environment, not from the state",
    );
  });
});
