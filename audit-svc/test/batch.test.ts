import assert from "node:assert/strict";
import { batchOf, eventOfRow, idsOf } from "../src/batch.js";
import type { EventRow } from "../src/event.js";

const row = (id: string, change: Partial<EventRow> = {}): EventRow => ({
  ...{ id, chosen: false, bucket: 671, occurredAt: "2026-01-31T12:00:00.000000Z", application: "billing" },
  ...{ actor: "alice", action: "login", resource: 'a "b" \\c', outcome: "success", data: '{"a":"{,}"}', ...change },
});

describe("batch", () => {
  it("has each column as the elements of an array literal, quoted where the text is anybody's", () => {
    const { columns, ids, rows, events, chosen, applications } = batchOf([row("1"), row("2", { application: "shop" })]);
    assert.deepEqual(columns, [
      "671,671",
      "1,2",
      "2026-01-31T12:00:00.000000Z,2026-01-31T12:00:00.000000Z",
      '"billing","shop"',
      '"alice","alice"',
      '"login","login"',
      '"a \\"b\\" \\\\c","a \\"b\\" \\\\c"',
      "success,success",
      '"{\\"a\\":\\"{,}\\"}","{\\"a\\":\\"{,}\\"}"',
    ]);
    assert.deepEqual({ ids, rows, events, chosen }, { ids: "1,2", rows: 2, events: 2, chosen: false });
    assert.deepEqual([...applications], [["billing", 1], ["shop", 1]]); // prettier-ignore
  });

  it("has an id that came twice as one row, and answers it twice", () => {
    const chosen = { chosen: true };
    const batch = batchOf([row("1", chosen), row("1", chosen), row("2", chosen)]);
    assert.deepEqual([batch.events, batch.rows, batch.chosen], [3, 2, true]);
    assert.deepEqual(idsOf(batch), ["1", "1", "2"]);
    assert.equal(batch.columns[1], "1,2");
    assert.equal(eventOfRow(batch, 1), 2);
  });

  it("keeps one id of two applications as two rows", () => {
    const chosen = { chosen: true };
    const other = { ...chosen, application: "shop" };
    const batch = batchOf([row("1", chosen), row("1", chosen), row("1", other)]);
    assert.deepEqual([batch.rows, batch.columns[1], batch.columns[3]], [2, "1,1", '"billing","shop"']);
    assert.deepEqual([eventOfRow(batch, 0), eventOfRow(batch, 1)], [0, 2]);
  });
});
