import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { runSteps } from "../../src/display.js";
import { following, Pool } from "../../src/jobs.js";

describe("the display of steps, in plain lines", () => {
  const run = async (steps: Parameters<typeof runSteps>[0], heartbeatMs = 10_000): Promise<string[]> => {
    const lines: string[] = [];
    await runSteps(steps, { live: false, write: (line) => lines.push(line), heartbeatMs }).catch((error: unknown) =>
      lines.push(`thrown: ${(error as Error).message}`),
    );
    return lines.map((line) => line.replace(/\d+\.\d s/g, "T"));
  };

  it("shows name, time, and whether there was anything to do", async () => {
    const lines = await run([
      { name: "first", run: () => Promise.resolve({ cached: true }) },
      { name: "second", run: () => Promise.resolve({ detail: "from Debian" }) },
    ]);
    assert.deepEqual(lines, ["[1/2] first: cached in T", "[2/2] second: done in T (from Debian)"]);
  });

  it("stops at the first failure and throws it unchanged", async () => {
    const lines = await run([
      { name: "first", run: () => Promise.reject(new Error("no disk")) },
      { name: "second", run: () => Promise.resolve(undefined) },
    ]);
    assert.deepEqual(lines, ["[1/2] first: failed after T", "thrown: no disk"]);
  });

  it("begins no further step once it is interrupted, in a live display either", async () => {
    for (const live of [false, true]) {
      const interrupted = new AbortController();
      const begun: string[] = [];
      const step = (name: string) => ({
        name,
        run: () => {
          begun.push(name);
          interrupted.abort(new Error("interrupted"));
          return Promise.resolve(undefined);
        },
      });
      const steps = [step("first"), step("second")];
      await assert.rejects(runSteps(steps, { live, write: () => undefined, stop: interrupted.signal }), /interrupted/);
      assert.deepEqual(begun, ["first"]);
    }
  });

  it("prints progress while a step is silent", async () => {
    const lines = await run(
      [
        {
          name: "slow",
          run: async (progress) => {
            progress("compiling");
            await sleep(130);
            return undefined;
          },
        },
      ],
      50,
    );
    assert.deepEqual(lines, [
      "[1/1] slow: still working, T (compiling)",
      "[1/1] slow: still working, T (compiling)",
      "[1/1] slow: done in T",
    ]);
  });
});

describe("jobs", () => {
  it("run a limited number at once, in order", async () => {
    const pool = new Pool(2);
    const begun: number[] = [];
    let running = 0;
    let most = 0;
    const jobs = [0, 1, 2, 3].map((n) =>
      pool.start(async () => {
        begun.push(n);
        most = Math.max(most, ++running);
        await sleep(10);
        running--;
        return n;
      }),
    );
    assert.deepEqual(await Promise.all(jobs.map((job) => job.follow(() => undefined))), [0, 1, 2, 3]);
    assert.deepEqual(begun, [0, 1, 2, 3]);
    assert.equal(most, 2);
  });

  it("throw where they are followed, with the time of the work itself", async () => {
    const pool = new Pool(1);
    const failing = pool.start(() => Promise.reject(new Error("broken")));
    const good = pool.start(() => sleep(30));
    await sleep(60);
    const lines: string[] = [];
    await runSteps([following("good", () => good, () => ({}))], { live: false, write: (line) => lines.push(line) }); // prettier-ignore
    assert.match(lines[0] ?? "", /good: done in 0\.0 s/);
    await assert.rejects(
      failing.follow(() => undefined),
      /broken/,
    );
  });
});
