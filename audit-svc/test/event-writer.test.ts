import assert from "node:assert/strict";
import type pg from "pg";
import { batchOf } from "../src/batch.js";
import { parseBody, checkEvents } from "../src/body.js";
import { defaultLimits } from "../src/config.js";
import { EventWriter } from "../src/event-writer.js";
import { event } from "./support/events.js";

describe("the statement that stores", () => {
  const batch = batchOf(
    checkEvents(
      parseBody(Buffer.from(JSON.stringify(event({}))), false, defaultLimits).values,
      defaultLimits,
      undefined,
    ),
  );

  /** A connection that fails a named statement with an error of this code, and keeps the names that were sent. */
  function failing(code: string | undefined) {
    const names: (string | undefined)[] = [];
    const query = ({ name }: pg.QueryConfig): Promise<pg.QueryResult> => {
      names.push(name);
      if (name !== undefined && code !== undefined) return Promise.reject(Object.assign(new Error("no"), { code }));
      return Promise.resolve({} as pg.QueryResult);
    };
    return { names, db: { query } };
  }

  it("has a name derived from its text, so that no other release mistakes it for its own", async () => {
    const { names, db } = failing(undefined);
    await new EventWriter().store(db, [batch]);
    assert.match(names.join(), /^audit-store-[0-9a-f]{8}$/);
  });

  for (const code of ["26000", "42P05"]) {
    it(`is sent again unnamed when a pooler has lost its name (${code}), and stays unnamed afterwards`, async () => {
      const { names, db } = failing(code);
      const writer = new EventWriter();
      await writer.store(db, [batch]);
      await writer.store(db, [batch]);
      assert.deepEqual(
        names.map((name) => name !== undefined),
        [true, false, false],
      );
    });
  }

  it("is not sent again after any other failure", async () => {
    const { names, db } = failing("57014");
    await assert.rejects(new EventWriter().store(db, [batch]), { code: "57014" });
    assert.equal(names.length, 1);
  });
});
