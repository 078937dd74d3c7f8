import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { deploysUnderLoad, type Deploys } from "./support/deploys";
import { startLoad, withoutLoss, type Load } from "./support/load";
import { until } from "./support/sandbox";

/** Manual `docker` commands, one for each kind of the program's containers. */
const BY_HAND = [
  ["kill", "audit-edge-nginx"],
  ["stop", "audit-edge-exporter"],
  ["pause", "audit-svc-agent"],
] as const;

/** Somebody stops containers by hand: a preview shows it, and the next deploy starts them again. */
describe("scenario: containers that were stopped by hand", function () {
  this.timeout(300_000);
  const { deploys, nothingLost } = deploysUnderLoad();

  const serving = async (): Promise<[string, string]> => {
    const { active } = await deploys().state();
    return [`audit-svc-${active}-1`, `audit-svc-${active}-2`];
  };

  /** Runs this command on one of two replicas, then deploys; `begun` is called in between. */
  async function oneIsStartedAgain(command: "stop" | "kill" | "pause", begun?: () => void): Promise<void> {
    const [one] = await serving();
    const before = await deploys().containers();
    await deploys().sandbox.docker(command, one);
    begun?.();
    await isShown(deploys(), [one], ["audit-svc-cutover"]);
    await deploys().mustUp();
    assert.deepEqual(await statesOf(deploys(), [one]), ["running"]);
    assert.deepEqual(await deploys().containers(), before, "a replica is started, not recreated");
    assert.match(await deploys().mustUp(), /Resources:\n\s+\d+ unchanged/);
  }

  it("starts one of two replicas again after `docker stop`, without losing a request", async () => {
    await oneIsStartedAgain("stop");
    await nothingLost();
  });

  it("starts one of two replicas again after `docker kill`; only the kill loses requests, the deploy none", async () => {
    const { sandbox } = deploys();
    const where = { url: sandbox.get("AUDIT_URL"), token: sandbox.get("AUDIT_TOKEN"), application: "demo" };
    let load: Load | undefined;
    await oneIsStartedAgain("kill", () => (load = startLoad(where)));
    withoutLoss(await load?.stop());
  });

  it("starts one of two replicas again after `docker pause`", () => oneIsStartedAgain("pause"));

  it("starts each kind of container again by a plain `up`, and an event goes through", async () => {
    const replicas = await serving();
    const stopped = [...BY_HAND, ["kill", replicas[0]], ["stop", replicas[1]]] as const;
    for (const [command, name] of stopped) await deploys().sandbox.docker(command, name);
    await isShown(
      deploys(),
      stopped.map(([, name]) => name),
      ["audit-edge-nginx", "audit-edge-exporter", "audit-svc-agent", "audit-svc-cutover"],
    );
    await deploys().mustUp();
    await allRun(deploys());
    await eventGoesThrough(deploys());
    assert.match(await deploys().mustUp(), /Resources:\n\s+\d+ unchanged/);
    const { code, output } = await deploys().sandbox.pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("starts everything again after `docker stop` of all containers, whose tmpfs files are gone, even with a refresh", async () => {
    const running = (await deploys().sandbox.docker("ps", "--quiet")).split("\n");
    await deploys().sandbox.docker("stop", ...running);
    const { code, output } = await deploys().up({}, ["--refresh"]);
    assert.equal(code, 0, output);
    await allRun(deploys());
    await eventGoesThrough(deploys());
    assert.match(await deploys().mustUp(), /Resources:\n\s+\d+ unchanged/);
  });
});

/**
 * Asserts that a preview with a refresh, as in the drift job, names what does not run and what an `up` would recreate.
 */
async function isShown(deploys: Deploys, stopped: readonly string[], replaced: readonly string[]): Promise<void> {
  const { code, output } = await deploys.sandbox.pulumi(["preview", "--refresh", "--expect-no-changes"]);
  assert.notEqual(code, 0, output);
  for (const name of stopped) assert.match(output, new RegExp(`${name} should run on its host and does not`));
  for (const name of replaced) assert.match(output, new RegExp(`${name}\\s+(replace|update)`));
}

async function statesOf(deploys: Deploys, names: readonly string[]): Promise<string[]> {
  return (await deploys.sandbox.docker("inspect", "--format", "{{.State.Status}}", ...names)).split("\n");
}

/** Asserts that all containers run, except those of the idle slot. */
async function allRun(deploys: Deploys): Promise<void> {
  const { active } = await deploys.state();
  const names = (await deploys.sandbox.docker("ps", "--all", "--format", "{{.Names}}"))
    .split("\n")
    .filter((name) => name.includes(active) || !/-(blue|green)-\d+$/.test(name));
  const states = await statesOf(deploys, names);
  assert.deepEqual([...new Set(states)], ["running"], `${names.join(" ")}: ${states.join(" ")}`);
}

async function eventGoesThrough({ sandbox }: Deploys): Promise<void> {
  const actor = randomUUID();
  const event = { application: "demo", actor, action: "stop", resource: "container", outcome: "success" };
  const body = JSON.stringify({ ...event, occurredAt: new Date().toISOString() });
  const sent = await sandbox.edge("/v1/events", { method: "POST", body, token: sandbox.get("AUDIT_TOKEN") });
  assert.equal(sent.status, 201, sent.body);
  await until("the event is read back", 10, async () => {
    const { body: found } = await sandbox.edge(`/v1/events?actor=${actor}`, { token: sandbox.get("AUDIT_READ_TOKEN") });
    return found.includes(actor) ? true : undefined;
  });
}
