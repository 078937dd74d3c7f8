import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { times } from "../support/depth";
import { startLoad, withoutLoss, type Load } from "./support/load";
import { replicas } from "./support/replicas";
import { attached, platform, run, sandbox as cli, until } from "./support/sandbox";

describe("scenario: Vault is away, and the VM restarts", function () {
  const sandbox = attached();
  const onHere = { ...process.env, DOCKER_HOST: undefined };
  const here = async (...args: string[]) => {
    const { code, output } = await run(["docker", ...args], onHere);
    assert.equal(code, 0, output);
  };
  /** How long Vault is away, in seconds. */
  const away = times(15, 600);
  let load: Load | undefined;

  after(async () => {
    await load?.stop();
    const { code, output } = await cli(["up", "--platform"]);
    assert.equal(code, 0, output);
  });

  const health = () => sandbox().docker("inspect", "--format", "{{.State.Health.Status}}", "audit-svc-agent");
  const file = () => sandbox().docker("exec", "audit-svc-agent", "sha256sum", "/run/audit/config.json");
  /** What a replica says about itself; asked inside its container, because nothing else may. */
  const readiness = async () => {
    const [replica = ""] = await replicas(sandbox());
    const ask =
      "fetch(`http://${process.env.AUDIT_LISTEN}/readyz`).then(async (r) => console.log(r.status, await r.text()))";
    // A connection from before a restart of the VM may hang.
    const { output } = await run(["timeout", "20", "docker", "exec", replica, "node", "-e", ask], sandbox().env);
    return output;
  };
  const ready = async () => (await readiness()).startsWith("200");
  /** Through the edge, like a client. */
  const stores = async () => {
    const event = { application: "demo", actor: "scenario", action: "restart", resource: "vm2", outcome: "success" };
    const body = JSON.stringify({ ...event, occurredAt: new Date().toISOString() });
    const { status } = await sandbox().edge("/v1/events", {
      method: "POST",
      token: sandbox().get("AUDIT_TOKEN"),
      body,
    });
    return status === 201;
  };
  /** Starts Vault and unseals it, as its operators would. @returns the time at which it answered again */
  const vaultBack = async () => {
    const { code, output } = await cli(["up", "--platform"]);
    assert.equal(code, 0, output);
    return Date.now();
  };
  const wellAgain = async (what: string, since: number, check: () => Promise<boolean>) => {
    await until(what, 180, async () => ((await check()) ? true : undefined));
    console.log(`      ${what} ${((Date.now() - since) / 1000).toFixed(1)} s after it could be`);
  };

  it(`keeps serving while Vault is away for ${away} s, reports it, and needs no manual step when it is back`, async () => {
    load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
      limit: away + 600,
    });
    const before = await file();
    await here("stop", platform("vault"));
    const gone = Date.now();
    await until("the agent's health says that Vault is away", 90, async () =>
      (await health()) === "unhealthy" ? true : undefined,
    );
    await until("Prometheus sees it as well", 60, async () => {
      const query = encodeURIComponent('audit_agent_logged_in{environment="sandbox"}');
      const answer = await fetch(`${sandbox().get("PROMETHEUS_URL")}/api/v1/query?query=${query}`);
      const { data } = (await answer.json()) as { data: { result: { value: [number, string] }[] } };
      return data.result[0]?.value[1] === "0" ? true : undefined;
    });
    // A restarted agent cannot log in; its rendered file stays.
    await sandbox().docker("restart", "audit-svc-agent");
    assert.equal(await file(), before);
    await sleep(Math.max(0, gone + away * 1000 - Date.now()));
    assert.equal(await file(), before);
    assert.equal(await ready(), true);
    const back = await vaultBack();
    await wellAgain("the agent is logged in", back, async () => (await health()) === "healthy");
    const { stored } = withoutLoss(await load.stop());
    assert.ok(stored > 1000, `only ${stored} requests were sent`);
  }).timeout((away + 420) * 1000);

  it("has the edge answer 503 while no replica runs, even before a reload of nginx", async () => {
    const names = await replicas(sandbox());
    const nginx = (script: string) => sandbox().docker("exec", "audit-edge-nginx", "sh", "-c", script);
    await sandbox().docker("stop", ...names);
    try {
      for (const script of [":", ": > /tmp/closing"]) {
        await nginx(script);
        const { status, body } = await sandbox().edge("/v1/events", { token: sandbox().get("AUDIT_TOKEN") });
        assert.equal(status, 503, body);
        assert.equal((JSON.parse(body) as { error: string }).error, "unavailable");
      }
    } finally {
      await nginx("rm -f /tmp/closing");
      await sandbox().docker("start", ...names);
    }
    await wellAgain("an event comes in", Date.now(), stores);
  });

  it("waits for Vault after a restart of the VM, says so, and starts when Vault is back", async () => {
    await here("stop", platform("vault"));
    await here("restart", platform("vm2"));
    await until("a replica says what it waits for", 180, async () =>
      /^503 .*config\.json/.test(await readiness()) ? true : undefined,
    );
    const back = await vaultBack();
    await wellAgain("the service is ready", back, ready);
    await wellAgain("an event comes in", back, stores);
  }).timeout(600_000);

  it("recovers by itself after a restart of the VM if Vault is up", async () => {
    await here("restart", platform("vm2"));
    const started = Date.now();
    await wellAgain("the service is ready", started, ready);
    await wellAgain("an event comes in", started, stores);
    await wellAgain("the agent is logged in", started, async () => (await health()) === "healthy");
  }).timeout(600_000);
});
