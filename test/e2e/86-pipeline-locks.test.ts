import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { Pipelines, removeLogins, setUpLogins, tagged, type Kind } from "./support/pipeline";
import { changingNothing, green, serving, showsNoSecret, slotsOf, StateLocks } from "./support/pipeline-checks";
import { mustBootstrap } from "./support/bootstrap";
import { attached, until } from "./support/sandbox";
import { pushVariant } from "./support/variant";

describe("scenario: deploys that are cancelled, killed, locked out, or come from a separate repository", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let pipelines: Pipelines;
  let locks: StateLocks;
  /** The image that is deployed when the scenario begins, and the one that it deploys. */
  let present: string;
  let next: string;

  before(async () => {
    pipelines = await Pipelines.open(sandbox());
    await setUpLogins(sandbox(), pipelines.harbor);
    locks = new StateLocks(sandbox());
    present = (await sandbox().mustPulumi("stack", "output", "image")).trim();
    next = await pushVariant(sandbox(), "audit-svc", [`LABEL scenario="86 ${Date.now()}"`]);
  });
  after(async () => {
    // Restore the former release for later scenarios.
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
    await removeLogins(sandbox());
    await pipelines.close();
    assert.equal(code, 0, output);
  });

  /**
   * Starts the job `deploy`, and waits until its CLI holds the state's lock and has begun: only then does it handle a
   * signal gracefully.
   */
  const underWay = async (image: string) => {
    const job = pipelines.run(tagged("v3", { IMAGE: image }), "deploy");
    const pid = await until("the deploy holds the lock", 120, async () => (await locks.held())[0]?.pid);
    // Each thread has children of its own.
    const children = () =>
      readdirSync(`/proc/${pid}/task`).map((thread) => readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8"));
    await until("its CLI has started the program", 60, () => Promise.resolve(children().join("") !== "" || undefined));
    const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
    return { job, pid, parent };
  };

  it("cancelled: the CLI releases the lock itself", async () => {
    const before = serving(await slotsOf(sandbox()));
    const { job, parent } = await underWay(next);
    process.kill(parent, "SIGTERM");
    const result = await job;
    assert.notEqual(result.code, 0, result.log);
    assert.equal(result.errors.length, 1, result.log);
    assert.deepEqual(await locks.held(), []);
    assert.equal(serving(await slotsOf(sandbox())), before);
  });

  it("killed: the lock stays, and the next deploy sees that its owner is gone", async () => {
    const { job, pid, parent } = await underWay(next);
    process.kill(parent, "SIGKILL");
    process.kill(pid, "SIGKILL");
    assert.notEqual((await job).code, 0);
    assert.deepEqual(
      (await locks.held()).map((lock) => lock.pid),
      [pid],
    );
    const { log } = green(await pipelines.run(tagged("v3", { IMAGE: next }), "deploy"));
    assert.match(log, new RegExp(`the lock of \\S+ \\(pid ${pid}\\) is released: its process is gone`));
    assert.deepEqual(await locks.held(), []);
    const { active, slots } = await slotsOf(sandbox());
    assert.equal(slots[active]?.image, next);
  });

  it("locked by another machine: left alone, and released when LOCK_OWNER names it", async () => {
    // The lock of a deploy on another runner that was killed.
    const remove = await locks.put({ pid: 4711, username: "root", hostname: "runner-7" });
    const owner = (name: string): Kind => tagged("v3", { IMAGE: next, ...(name === "" ? {} : { LOCK_OWNER: name }) });
    const red = (kind: Kind, why: RegExp) => changingNothing(sandbox(), () => pipelines.run(kind, "deploy"), why);
    try {
      await red(owner(""), /stack sandbox is locked by root@runner-7 \(pid 4711\); if that run is over, /);
      await red(owner("root@runner-8 (pid 4711)"), /is locked by root@runner-7/);
      const { log } = green(await pipelines.run(owner("root@runner-7 (pid 4711)"), "deploy"));
      assert.match(log, /the lock of root@runner-7 \(pid 4711\) is released: LOCK_OWNER names it/);
    } finally {
      await remove();
    }
  });

  describe("a repository for deployments", () => {
    /** Another project's tag pipeline passes on the image that it built; see docs/reference.md. */
    const handedOn = (): Kind => ({ source: "pipeline", protected: true, variables: { IMAGE: present } });

    /** As an administrator of Vault does it by docs/reference.md. */
    const deployFrom = (ref: "tag" | "branch") => mustBootstrap(sandbox(), { deployFrom: ref });

    it("is refused by a Vault that lets only tags deploy", () =>
      changingNothing(
        sandbox(),
        () => pipelines.run(handedOn(), "deploy"),
        /Vault role audit-ci-deploy is not for this pipeline: .*ref_type/,
      ));

    it("deploys the image that the service's pipeline passed on, and tests it", async () => {
      assert.match(await deployFrom("branch"), /audit-ci-deploy/);
      try {
        const { log } = green(await pipelines.run(handedOn()));
        assert.match(log, /ok: an event went in and came out/);
      } finally {
        await deployFrom("tag");
      }
      const { active, slots } = await slotsOf(sandbox());
      assert.equal(slots[active]?.image, present);
    });
  });

  it("has shown no secret in any job's log", () => showsNoSecret(sandbox(), pipelines.logs));
});
