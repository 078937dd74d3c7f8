import assert from "node:assert/strict";
import { bootstrap, mustBootstrap } from "./support/bootstrap";
import { Deploys } from "./support/deploys";
import { NamespacedVault } from "./support/namespaced-vault";
import { attached, platformSubnet, until } from "./support/sandbox";

const NAMESPACE = "team";
// The proxy's address is what Vault sees.
const hostCidr = `${platformSubnet}.0/24`;

describe("scenario: a namespace of Vault", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let vault: NamespacedVault;
  let deploys: Deploys;

  before(async () => {
    vault = await NamespacedVault.start(sandbox().get("VAULT_ADDR"), NAMESPACE);
    deploys = new Deploys(sandbox());
  });
  after(async () => {
    await mustBootstrap(sandbox());
    const { code, output } = await deploys.up();
    deploys.close();
    await vault.stop();
    assert.equal(code, 0, output);
  });

  it("contains everything that the deploy and the agent request from Vault", async () => {
    await mustBootstrap(sandbox(), { stack: { hostCidr, databaseCredentials: "dynamic" } });
    await deploys.mustUp({
      vaultAddress: vault.url,
      vaultAgentAddress: vault.url,
      vaultNamespace: NAMESPACE,
      hostCidr,
      databaseCredentials: "dynamic",
    });
    const { asked } = vault;
    const paths = new Set(asked.map(({ path }) => path));
    const wanted = [
      // the plugin
      ...["sys/policies/acl/audit-svc", "auth/approle/role/audit-svc", "database/config/audit-svc"],
      "secret/data/audit-svc/sandbox",
      // the programs of the deploy
      ...["auth/approle/role/audit-svc/secret-id", "auth/approle/role/audit-svc/secret-id-accessor/destroy"],
      "database/rotate-root/audit-svc",
      // the one-shot on the VM
      ...["sys/wrapping/lookup", "sys/wrapping/unwrap"],
      // the agent, its template, and its health check
      ...["auth/approle/login", "database/creds/audit-svc", "auth/token/lookup-self"],
    ];
    assert.deepEqual(
      wanted.filter((path) => !paths.has(path)),
      [],
      "not asked by way of the proxy",
    );
    await until("the agent is healthy", 60, async () => {
      const state = await sandbox().docker("inspect", "--format", "{{.State.Health.Status}}", "audit-svc-agent");
      return state === "healthy" ? true : undefined;
    });
    assert.deepEqual(vault.astray, []);
  });

  it("contains what is revoked when it is given up", async () => {
    const before = vault.asked.length;
    await mustBootstrap(sandbox(), { stack: { hostCidr } });
    await deploys.mustUp({
      vaultAddress: vault.url,
      vaultAgentAddress: vault.url,
      vaultNamespace: NAMESPACE,
      hostCidr,
    });
    const paths = vault.asked.slice(before).map(({ path }) => path);
    assert.ok(paths.includes("sys/leases/revoke-prefix/database/creds/audit-svc"), paths.join("\n"));
    assert.deepEqual(vault.astray, []);
  });

  it("contains what the administrator's command checks", async () => {
    const { code, output } = await bootstrap(
      sandbox(),
      { stack: { hostCidr } },
      { args: ["--check"], env: { VAULT_ADDR: vault.url, VAULT_NAMESPACE: NAMESPACE } },
    );
    assert.equal(code, 0, output);
    assert.match(output, /^nothing to change$/m);
    assert.deepEqual(vault.astray, []);
  });
});
