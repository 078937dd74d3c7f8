import assert from "node:assert/strict";
import { forNextRun, lastRun, type RunState } from "../../components/run-state";
import { run, valueOf } from "./support/program";

const releases = {
  active: "green",
  slots: { green: { release: "r2", image: "i", replicas: 2, memory: 256 } },
} as const;
const secretIdsIssued = "2026-01-01T00:00:00.000Z";
const full = { releases, databasePasswordVersion: 2, tokenVersions: { reader: 1 }, secretIdsIssued, recreated: {} };

/** What a run finds when the last one left these outputs. */
const found = async (outputs: Record<string, unknown>): Promise<RunState> => {
  const { result } = await run(lastRun, ({ type }) =>
    type === "pulumi:pulumi:StackReference" ? { outputs } : undefined,
  );
  return result;
};

describe("what a run leaves for the next", () => {
  it("comes back as it was left, in one output", async () => {
    const left = { ...full, recreated: { "audit-front": 1 } };
    const { result } = await run(() => ({ output: forNextRun(left) }));
    assert.deepEqual(await found({ releases: await valueOf(result.output) }), left);
  });

  it("is nothing before the first run", async () => {
    assert.deepEqual(await found({}), {});
  });

  it("is read where earlier versions left it, in four outputs", async () => {
    const left = { releases, databasePasswordVersion: 2, secretIdsIssued, recreated: {} };
    assert.deepEqual(await found(left), left);
  });

  it("still has the slots where earlier versions look for them", async () => {
    const { result } = await run(() => ({ output: forNextRun(full) }));
    const { active, slots } = await valueOf(result.output);
    assert.deepEqual({ active, slots }, releases);
  });
});
