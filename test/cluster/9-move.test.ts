import assert from "node:assert/strict";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { destroy, keepEvents } from "../e2e/support/destroy";
import { startLoad } from "../e2e/support/load";
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

  after("leave the cluster as `make cluster` does", async () => {
    rmSync(join(root, "sandbox-before.json"), { force: true });
    await destroy(cluster());
    for (const key of SETTINGS) await cluster().pulumi(["config", "rm", `audit:${key}`]);
    await mustRun("cluster");
  });

  const load = (url: string) =>
    startLoad({ url, token: vm2().get("AUDIT_TOKEN"), application: "demo", rate: 100, limit: 600 });
  const stored = () => storedOf("load", "audit");

  it("takes database, tokens and log along, while clients keep sending: no event is lost, and the log goes on", async () => {
    const log = new Log(vm2());
    const keys = await log.keys();
    const before = await stored();
    const ofVm2 = load(vm2().get("AUDIT_URL"));
    let moved: ReturnType<typeof startLoad> | undefined;
    try {
      const first = await log.store();
      await log.provenWithin(first, 15);
      writeFileSync(log.file("before"), await log.read("/log/checkpoint"));

      // The sandbox's cluster has a stack already; the settings of the new one are those of VM2.
      await destroy(cluster(), "audit_cluster");
      const { databasePasswordVersion } = JSON.parse(
        await vm2().mustPulumi("stack", "output", "releases", "--json"),
      ) as { databasePasswordVersion: number };
      await set("databaseName", "audit");
      await set("databasePasswordVersion", String(databasePasswordVersion));
      await set("logOrigin", (keys[0] ?? "").split("+")[0] ?? "");
      await set("logPlatform", "vm");
      const move = await run(["sh", "-euc", documented()], vm2().env);
      assert.equal(move.code, 0, move.output);
      await mustRun("cluster");

      // DNS moves: both serve for a while.
      moved = load(cluster().get("AUDIT_URL"));
      await sleep(10_000);
      const left = await ofVm2.stop();
      assert.deepEqual(left.lost, {}, `${left.stored} stored on VM2`);

      // What nobody asks any more goes, and the cluster does not notice.
      const again = await vm2().pulumi(["up", "--yes", "--skip-preview"]);
      assert.notEqual(again.code, 0, "VM2's program still takes the database for its own");
      await destroy(vm2());
      const right = await moved.stop();
      assert.deepEqual(right.lost, {}, `${right.stored} stored on the cluster`);
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
      log.close();
    }
  });
});
