import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { destroy, keepEvents } from "../e2e/support/destroy";
import { startLoad, withoutLoss } from "../e2e/support/load";
import { Log } from "../e2e/support/log";
import { attached as attachedTo, root, run, sandbox as cli } from "../e2e/support/sandbox";
import { attached, Cluster, storedOf } from "./support/cluster";

/** The commands of docs/cluster.md that move what must last, as they stand there, for the sandbox's stacks. */
function documented(): string {
  const page = readFileSync(join(root, "docs/cluster.md"), "utf8");
  const [, commands] = /```sh\n((?:(?!```)[^])*pulumi state move [^]*?)```/.exec(page) ?? [];
  assert.ok(commands, "docs/cluster.md has no `pulumi state move`");
  return commands.replaceAll("vm2", "sandbox");
}

/** "With the stacks exchanged." */
const exchanged = (commands: string): string =>
  commands.replaceAll(/sandbox|cluster/g, (stack) => (stack === "cluster" ? "sandbox" : "cluster"));

/**
 * As docs/cluster.md says it. The last scenario of its suite: it destroys both stacks of the sandbox and deploys the
 * cluster's own again.
 */
describe("scenario: from VM2 to the cluster", function () {
  this.timeout(900_000);
  const mustRun = async (...command: string[]): Promise<void> => {
    const { code, output } = await cli(command);
    assert.equal(code, 0, output);
  };
  before("deploy to VM2", async () => {
    await mustRun("up");
    await keepEvents();
  });
  const vm2 = attachedTo();
  const cluster = attached();
  const SETTINGS = ["databaseName", "logOrigin", "logPlatform", "databasePasswordVersion"];
  const set = (key: string, value: string) => cluster().mustPulumi("config", "set", `audit:${key}`, value);
  let log: Log;
  let keys: string[];
  before(async () => {
    log = new Log(vm2());
    keys = await log.keys();
  });

  after("leave the cluster as `make cluster` does", async () => {
    log.close();
    for (const stack of ["sandbox", "cluster"]) rmSync(join(root, `${stack}-before.json`), { force: true });
    await destroy(cluster());
    for (const key of SETTINGS) await cluster().pulumi(["config", "rm", `audit:${key}`]);
    await mustRun("cluster");
  });

  const load = (url: string) =>
    startLoad({ url, token: vm2().get("AUDIT_TOKEN"), application: "demo", rate: 100, limit: 900 });
  const stored = () => storedOf("load", "audit");
  const move = async (commands: string): Promise<void> => {
    const { code, output } = await run(["sh", "-euc", commands], vm2().env);
    assert.equal(code, 0, output);
  };
  /** Holders find the same tokens where VM2 has put them. */
  const tokensOfVm2 = async (): Promise<void> => {
    for (const [holder, name] of Object.entries({ "writer-demo": "AUDIT_TOKEN", reader: "AUDIT_READ_TOKEN" })) {
      const path = `secret/data/audit-svc/sandbox-tokens/${holder}`;
      const secret = await vm2().vault<{ data: { data: { token: string } | null } }>("GET", path);
      assert.equal(secret?.data.data?.token, vm2().get(name), holder);
    }
  };

  /** Steps 2 to 4: the cluster serves with VM2's database, tokens and log. */
  async function toTheCluster(): Promise<void> {
    const { databasePasswordVersion } = JSON.parse(await vm2().mustPulumi("stack", "output", "releases", "--json")) as {
      databasePasswordVersion: number;
    };
    await set("databaseName", "audit");
    await set("databasePasswordVersion", String(databasePasswordVersion));
    await set("logOrigin", (keys[0] ?? "").split("+")[0] ?? "");
    await set("logPlatform", "vm");
    await move(documented());
    await mustRun("cluster");
    await tokensOfVm2();
  }

  it("goes there and back, while clients keep sending: no event is lost, and the log goes on", async () => {
    const before = await stored();
    const ofVm2 = load(vm2().get("AUDIT_URL"));
    let there: ReturnType<typeof startLoad> | undefined;
    try {
      const first = await log.store();
      await log.provenWithin(first, 15);
      writeFileSync(log.file("before"), await log.read("/log/checkpoint"));
      // The sandbox's cluster has a stack already; the settings of the new one are those of VM2.
      await destroy(cluster(), "audit_cluster");
      await toTheCluster();
      there = load(cluster().get("AUDIT_URL"));
      await sleep(10_000);

      await move(exchanged(documented()));
      const output = await vm2().mustPulumi("up", "--yes", "--skip-preview");
      assert.match(output, /\d+ unchanged/);
      assert.doesNotMatch(output, /\d+ (created|replaced|deleted)/);
      // DNS moves back; the cluster has served until then.
      const left = withoutLoss(await there.stop());
      assert.ok(left.stored > 1000, `only ${left.stored} stored on the cluster`);
      await destroy(cluster());
      await sleep(5000);
      const stayed = withoutLoss(await ofVm2.stop());

      assert.equal((await stored()) - before, left.stored + stayed.stored);
      await tokensOfVm2();
      assert.deepEqual(await log.keys(), keys);
      await log.provenWithin(first, 15);
      await log.provenWithin(await log.store(), 15);
      await log.mustBeWhole(["--since", log.file("before")], keys);
      await vm2().mustPulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
    } finally {
      await ofVm2.stop();
      await there?.stop();
    }
  });

  it("takes database, tokens and log along for good", async () => {
    const before = await stored();
    const ofVm2 = load(vm2().get("AUDIT_URL"));
    let moved: ReturnType<typeof startLoad> | undefined;
    try {
      const first = await log.store();
      await log.provenWithin(first, 15);
      writeFileSync(log.file("before"), await log.read("/log/checkpoint"));
      await toTheCluster();

      // DNS moves: both serve for a while.
      moved = load(cluster().get("AUDIT_URL"));
      await sleep(10_000);
      const left = withoutLoss(await ofVm2.stop());

      // What nobody asks any more goes, and the cluster does not notice.
      const again = await vm2().pulumi(["up", "--yes", "--skip-preview"]);
      assert.notEqual(again.code, 0, "VM2's program still takes the database for its own");
      await destroy(vm2());
      const right = withoutLoss(await moved.stop());
      assert.ok(right.stored > 1000, `only ${right.stored} stored on the cluster`);

      assert.equal((await stored()) - before, left.stored + right.stored);
      const there = await Cluster.attach();
      for (const token of ["AUDIT_TOKEN", "AUDIT_READ_TOKEN"]) assert.equal(there.get(token), vm2().get(token));
      const onCluster = new Log(there);
      await onCluster.provenWithin(first, 15);
      await onCluster.provenWithin(await onCluster.store(), 15);
      assert.deepEqual(await onCluster.keys(), keys);
      await onCluster.mustBeWhole(["--since", log.file("before")]);
      onCluster.close();
      const output = await cluster().mustPulumi("up", "--yes", "--skip-preview", "--expect-no-changes");
      assert.match(output, /\d+ unchanged/);
    } finally {
      await ofVm2.stop();
      await moved?.stop();
    }
  });
});
