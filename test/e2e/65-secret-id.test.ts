import assert from "node:assert/strict";
import { unwrap as unwrapper } from "../../components/secrets/app-role";
import { dockerRun } from "../../lib/shell";
import { AgentLogin } from "./support/agent-login";
import { attached, run, until } from "./support/sandbox";

describe("scenario: the agent's secret_id, from issue to expiry", function () {
  const sandbox = attached();
  const agent = () => new AgentLogin(sandbox());

  it("is replaced by a deploy, the agent logs in with the new one, and the former is revoked", async () => {
    const former = await agent().credentials();
    const { code, output } = await agent().reissue();
    assert.equal(code, 0, output);
    const now = await agent().credentials();
    assert.notEqual(now.secret_id, former.secret_id);
    assert.equal(await agent().logIn(former), "refused");
    assert.equal(await agent().logIn(now), "let in");
    assert.equal((await agent().accessors()).length, 1);
    await agent().assertCurrent();
  });

  it("is revoked by the next run, when a deploy was killed between delivering and revoking", async () => {
    const former = await agent().credentials();
    await agent().deliver();
    assert.equal(await agent().logIn(former), "let in", "the agent still goes on with it");
    assert.equal((await agent().accessors()).length, 2);
    await sandbox().mustPulumi("up", "--yes", "--skip-preview");
    assert.equal(await agent().logIn(former), "refused");
    assert.equal((await agent().accessors()).length, 1);
    await agent().assertCurrent();
  });

  it("cannot be locked out by failing log-ins, whoever makes them", async () => {
    const { role_id } = await agent().credentials();
    const wrong = `vault write auth/approle/login role_id=${role_id} secret_id=00000000-0000-0000-0000-000000000000 2>&1`;
    // Vault's default is five.
    const output = await agent().onVolume(`for i in 1 2 3 4 5 6 7; do ${wrong} || true; done`);
    assert.equal(output.match(/invalid role or secret ID/g)?.length, 7, output);
    await sandbox().docker("restart", "audit-svc-agent");
    await until("the agent is logged in again", 30, async () => ((await agent().issue()) ? true : undefined));
  });

  it("is issued again when Vault has lost the one that it had just issued", async () => {
    const before = new Set(await agent().accessors());
    const deploy = agent().reissue();
    const lost = await until("a secret_id is issued", 60, async () =>
      (await agent().accessors()).find((accessor) => !before.has(accessor)),
    );
    await agent().destroy(lost);
    const { code, output } = await deploy;
    assert.equal(code, 0, output);
    await agent().assertCurrent();
    assert.deepEqual(
      (await agent().accessors()).filter((accessor) => accessor === lost || before.has(accessor)),
      [],
    );
  });

  it("is issued again by the next deploy when Vault lost it after the delivery", async () => {
    await agent().deliver();
    for (const accessor of await agent().accessors()) await agent().destroy(accessor);
    await sandbox().mustPulumi("up", "--yes", "--skip-preview");
    await agent().assertCurrent();
    assert.equal((await agent().accessors()).length, 1);
  });

  it("is replaced by the next deploy when it has expired and the agent has kept trying", async () => {
    const refusals = async () => {
      const { output } = await run(["docker", "logs", "audit-svc-agent"], sandbox().env);
      return output.match(/error authenticating/g)?.length ?? 0;
    };
    const before = await refusals();
    for (const accessor of await agent().accessors()) await agent().destroy(accessor);
    await sandbox().docker("restart", "audit-svc-agent");
    await until("the agent has tried six times", 90, async () => ((await refusals()) > before + 5 ? true : undefined));
    const { code, output } = await agent().reissue();
    assert.equal(code, 0, output);
    await agent().assertCurrent();
    assert.equal((await agent().accessors()).length, 1);
  });

  it("raises an alarm when the wrapping token was used before, or was made by somebody else", async () => {
    const unwrap = async (token: string) => {
      const image = await sandbox().docker("inspect", "--format", "{{.Image}}", "audit-svc-agent");
      const line = dockerRun({
        image,
        interactive: true,
        network: "audit-egress",
        environment: { VAULT_ADDR: "http://vault.sandbox.test:8200", HOME: "/tmp" },
        ...unwrapper("auth/approle/role/audit-svc/secret-id"),
      });
      return run(["sh", "-c", line], sandbox().env, `role\nissue\n${token}\n`);
    };
    const wrapped = async (path: string) => {
      const made = await sandbox().vault<{ wrap_info: { token: string } }>("POST", path, {}, undefined, {
        "x-vault-wrap-ttl": "60s",
      });
      assert.ok(made);
      return made.wrap_info.token;
    };
    const spent = await wrapped("auth/approle/role/audit-svc/secret-id");
    await sandbox().vault("POST", "sys/wrapping/unwrap", undefined, spent);
    const used = await unwrap(spent);
    assert.notEqual(used.code, 0);
    assert.match(
      used.output,
      /^ALARM: the wrapping token was already used or has expired\. The secret_id may be known/m,
    );
    const foreign = await unwrap(await wrapped("sys/wrapping/wrap"));
    assert.notEqual(foreign.code, 0);
    assert.match(
      foreign.output,
      /^ALARM: the wrapping token was made by sys\/wrapping\/wrap and not by auth\/approle/m,
    );
  });

  it("is visible in Prometheus: how the agent is logged in, and when its secret_id expires", async () => {
    const value = async (series: string) =>
      until(`Prometheus has ${series}`, 60, async () => {
        const query = encodeURIComponent(`${series}{job="audit-agent",environment="sandbox"}`);
        const response = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/query?query=${query}`);
        const answer = (await response.json()) as { data: { result: { value: [number, string] }[] } };
        // The agent reports 0 until its first check after a start.
        return Number(answer.data.result[0]?.value[1]) || undefined;
      });
    const now = Date.now() / 1000;
    const days = ((await value("audit_agent_secret_id_expiry_timestamp_seconds")) - now) / 86_400;
    assert.ok(days > 29.9 && days < 30.1, `the secret_id ends in ${days} days`);
    const minutes = ((await value("audit_agent_token_expiry_timestamp_seconds")) - now) / 60;
    assert.ok(minutes > 5 && minutes < 65, `the token ends in ${minutes} minutes`);
    assert.equal(await value("audit_agent_logged_in"), 1);
    assert.equal(await value("audit_agent_reload_confirmed"), 1);
    assert.ok(now - (await value("audit_agent_last_success_timestamp_seconds")) < 120);
  });
});
