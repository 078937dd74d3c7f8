import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { request } from "node:http";
import { times } from "../support/depth";
import { deploysUnderLoad } from "./support/deploys";
import { startLoad, withoutLoss } from "./support/load";
import { platform, root, run, sandbox as cli, type Ran, type Sandbox } from "./support/sandbox";

describe("scenario: releases, while clients keep sending", function () {
  const { deploys, nothingLost } = deploysUnderLoad();

  // As on a VM behind a company's proxy: the docker CLI gives it to containers, which must not use it.
  const asDeployer = (script: string): Promise<Ran> =>
    run(["docker", "exec", "--user", "deploy", platform("vm2"), "sh", "-euc", script], {
      ...process.env,
      DOCKER_HOST: undefined,
    });
  before("name a proxy in the docker CLI's settings on VM2", async () => {
    const proxy = "http://proxy.invalid:3128";
    const settings = JSON.stringify({ proxies: { default: { httpProxy: proxy, httpsProxy: proxy } } });
    const { code, output } = await asDeployer(`mkdir -p ~/.docker; echo '${settings}' > ~/.docker/config.json`);
    assert.equal(code, 0, output);
  });
  after("remove it", () => asDeployer("rm ~/.docker/config.json"));

  it("promotes a new release without losing a request, even one that began before, and keeps the old one stopped", async () => {
    const before = await deploys().state();
    const slow = slowRequest(deploys().sandbox);
    await deploys().mustUp({ memory: 224 });
    await nothingLost();
    assert.deepEqual(await slow.end(), 201);
    const after = await deploys().state();
    assert.notEqual(after.active, before.active);
    await deploys().serves(after.active);
    const old = await deploys().sandbox.docker(
      "inspect",
      "--format",
      "{{.State.Status}}",
      `audit-svc-${before.active}-1`,
    );
    assert.equal(old, "exited");
  });

  it("goes back by `make rollback`: a start and a promotion, no new container", async () => {
    const before = await deploys().state();
    const containers = await deploys().containers();
    const { code, output } = await cli(["rollback"]);
    assert.equal(code, 0, output);
    await nothingLost();
    const after = await deploys().state();
    assert.notEqual(after.active, before.active);
    await deploys().serves(after.active);
    assert.deepEqual(await deploys().containers(), containers, "a rollback must not make a container");
    const release = (slot: "blue" | "green") => before.slots[slot]?.release ?? "";
    assert.match(
      output,
      new RegExp(`release ${release(before.active)} -> ${release(after.active)} in [0-9.]+ s, without a build`),
    );
  });

  it("reloads nginx with another configuration, here for another number of replicas, without losing a request", async () => {
    // Many clients: a plain reload of nginx resets keep-alive connections, which would cost some of them a request each
    // time.
    const { sandbox } = deploys();
    const load = startLoad({
      url: sandbox.get("AUDIT_URL"),
      token: sandbox.get("AUDIT_TOKEN"),
      application: "demo",
      clients: 100,
      rate: times(200, 500),
    });
    const nginx = ["exec", "audit-edge-nginx", "sha256sum", "/etc/audit-edge/nginx.conf"];
    try {
      const before = await sandbox.docker(...nginx);
      const { slots } = await deploys().state();
      const there = Object.values(slots).map((slot) => slot.replicas);
      await deploys().mustUp({ replicas: [2, 3, 4].find((count) => !there.includes(count)) ?? 1 });
      assert.notEqual(await sandbox.docker(...nginx), before);
      await deploys().mustUp();
    } finally {
      withoutLoss(await load.stop());
    }
    await nothingLost();
  });

  it("changes nothing at the second up", async () => {
    const output = await deploys().mustUp();
    await nothingLost();
    assert.match(output, /Resources:\n\s+\d+ unchanged/);
  });

  it("recreates missing resources, and what depends on them", async () => {
    const { active } = await deploys().state();
    const other = active === "blue" ? "green" : "blue";
    const lost = ["audit-svc-agent", "audit-edge-exporter"];
    // They are still in the state, as after a deploy that was killed between their removal and its record.
    await deploys().sandbox.docker("rm", "--force", "--volumes", ...lost, `audit-svc-${other}-1`);
    const output = await deploys().mustUp();
    for (const name of lost) assert.match(output, new RegExp(`${name} created replacement`));
    assert.match(await deploys().mustUp(), /Resources:\n\s+\d+ unchanged/);
    await deploys().mustUp({ memory: 225 });
    await nothingLost();
    await deploys().serves(other);
  });

  it("survives deploys that are killed at any moment", async () => {
    for (const [index, moment] of MOMENTS.slice(0, times(2, MOMENTS.length)).entries()) {
      await killedAt(moment, deploys().env({ memory: 300 + index }));
      await deploys().sandbox.pulumi(["cancel", "--yes"]);
    }
    await deploys().mustUp();
    await nothingLost();
    await deploys().serves((await deploys().state()).active);
    assert.match(await deploys().mustUp(), /Resources:\n\s+\d+ unchanged/);
  }).timeout(900_000);
});

/** A slow client that has begun to send an event: it sends a space every second before the event itself. */
function slowRequest(sandbox: Sandbox): { end: () => Promise<number | string> } {
  const sent = request(`${sandbox.get("AUDIT_URL")}/v1/events`, {
    method: "POST",
    headers: { authorization: `Bearer ${sandbox.get("AUDIT_TOKEN")}`, "content-type": "application/json" },
  });
  const status = new Promise<number | string>((done) => {
    sent.on("response", (response) => {
      response.resume();
      done(response.statusCode ?? 0);
    });
    sent.on("error", (error) => done(error.message));
  });
  sent.write(" ");
  const drip = setInterval(() => sent.write(" "), 1000);
  return {
    end: () => {
      clearInterval(drip);
      const event = { application: "demo", actor: "slow", action: "send", resource: "edge", outcome: "success" };
      sent.end(JSON.stringify({ ...event, occurredAt: new Date().toISOString() }));
      return status;
    },
  };
}

/**
 * Output lines at which to kill a deploy, the worst two first: Docker removes a container, and the new release has just
 * been promoted.
 */
const MOMENTS = [
  /audit-svc-(blue|green)-1 deleting original/,
  /slot (blue|green) serves/,
  /read pulumi:pulumi:StackReference/,
  /audit-svc-guard creating/,
  /audit-svc-secret-id creat/,
  /audit-svc-(blue|green)-1 deleted original/,
  /audit-svc-(blue|green)-1 creating/,
  /audit-svc-(blue|green)-1 created/,
  /audit-svc-cutover creating/,
  /audit-svc-drain creating/,
  /is drained and kept/,
  /audit-targets-up creating/,
];

/** Starts a deploy and kills it, with all its child processes, when it prints such a line. */
async function killedAt(moment: RegExp, env: NodeJS.ProcessEnv): Promise<void> {
  const child = spawn("pulumi", ["up", "--yes", "--skip-preview", "--non-interactive", "--color", "never"], {
    cwd: root,
    env,
    stdio: ["ignore", "pipe", "ignore"],
    detached: true,
  });
  let output = "";
  let killed = false;
  child.stdout.on("data", (chunk: Buffer) => {
    output += chunk.toString();
    // Only once: its remaining output still arrives after it and its process group are gone.
    if (killed || !moment.test(output) || child.pid === undefined || child.exitCode !== null) return;
    killed = true;
    process.kill(-child.pid, "SIGKILL");
  });
  const signal = await new Promise((done) => child.on("exit", (_code, by) => done(by)));
  assert.equal(signal, "SIGKILL", `the deploy did not print ${String(moment)}:\n${output}`);
}
