import assert from "node:assert/strict";
import { cliRows, resourceRows, type EngineEvent } from "../../../tools/trace";

const urn = (name: string) => `urn:pulumi:vm2::audit::audit:index:Vm$docker:index/container:Container::${name}`;
const begins = (at: number, name: string): EngineEvent => ({
  at,
  resourcePreEvent: { metadata: { op: "create", urn: urn(name) } },
});
const ends = (at: number, name: string): EngineEvent => ({
  at,
  resOutputsEvent: { metadata: { op: "create", urn: urn(name) } },
});

describe("the trace of an up", () => {
  it("has a span for each resource, and no overlapping spans in a row", () => {
    const rows = resourceRows([
      begins(10, "a"),
      begins(11, "b"),
      ends(15, "a"),
      begins(16, "c"),
      ends(17, "b"),
      ends(30, "c"),
    ]);
    const shown = rows.map(({ name, ts, dur, tid, args }) => [name, ts, dur, tid, args?.type]);
    assert.deepEqual(shown, [
      ["Container a (create)", 10_000, 5_000, 1, "docker:index/container:Container"],
      ["Container b (create)", 11_000, 6_000, 2, "docker:index/container:Container"],
      ["Container c (create)", 16_000, 14_000, 1, "docker:index/container:Container"],
    ]);
  });

  it("marks a resource that failed, and leaves out one that never ended", () => {
    const failed: EngineEvent = { at: 20, resOpFailedEvent: { metadata: { op: "create", urn: urn("a") } } };
    const rows = resourceRows([begins(10, "a"), begins(11, "b"), failed]);
    assert.deepEqual(
      rows.map(({ name, args }) => [name, args?.failed]),
      [["Container a (create)", true]],
    );
  });

  it("has the CLI's phases and the start of each plugin, and no more of its spans", () => {
    const span = (name: string, from: number, to: number, prefix?: string) => ({
      name,
      startTimeUnixNano: `${from}000`,
      endTimeUnixNano: `${to}000`,
      attributes: prefix === undefined ? [] : [{ key: "prefix", value: { stringValue: prefix } }],
    });
    const spans = [
      span("pulumi", 1, 90),
      span("newPlugin", 20, 25, "docker (resource)"),
      span("pulumirpc.LanguageRuntime/Run", 5, 80),
      span("gocloud.dev/blob.Attributes", 2, 3),
    ];
    const line = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ spans }] }] });
    assert.deepEqual(
      cliRows(`${line}\n`).map(({ name, ts, dur }) => [name, ts, dur]),
      [
        ["CLI", 1, 89],
        ["start docker (resource)", 20, 5],
        ["program", 5, 75],
      ],
    );
  });
});
