import assert from "node:assert/strict";
import * as postgresql from "@pulumi/postgresql";
import { Database } from "../../../../components/database/database";
import { forNextRun, lastRun, STOPS_EARLIER_VERSIONS, type RunState } from "../../../../components/outputs/run-state";
import { messagesNameKeys } from "../../support/keys";
import { run, valueOf } from "../../support/program";

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
  messagesNameKeys();

  it("comes back as it was left, in one output", async () => {
    const left = { ...full, recreated: { "audit-front": 1 } };
    const { result } = await run(() => ({ output: forNextRun(left) }));
    assert.deepEqual(await found({ releases: await valueOf(result.output) }), left);
  });

  it("is nothing before the first run", async () => {
    assert.deepEqual(await found({}), {});
  });

  it("is read from the four outputs of earlier versions", async () => {
    const left = { releases, databasePasswordVersion: 2, secretIdsIssued, recreated: {} };
    assert.deepEqual(await found(left), left);
  });

  it("stops a program of an earlier version, which reads the database's version from an output of its own", async () => {
    const { databasePasswordVersion: previousVersion } = STOPS_EARLIER_VERSIONS;
    for (const passwordVersion of [1, 2, 7]) {
      const early = run(
        () =>
          new Database("audit", {
            server: { host: "db.example.test", port: 5432, sslMode: "verify-full" },
            database: "events",
            provider: new postgresql.Provider("server", {}),
            ...{ passwordVersion, previousVersion },
          }),
      );
      await assert.rejects(early, /^Error: audit:databasePasswordVersion is .* Nothing was changed\.$/);
    }
  });
});
