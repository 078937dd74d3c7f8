import assert from "node:assert/strict";
import { differencesOf } from "../../../cli/status/running";
import { ending } from "../../../cli/status/service";
import { readContainers } from "../../../cli/vm/containers";
import { fit } from "../../../cli/terminal";
import { described, OUTPUTS } from "./context";

const NOW = new Date("2026-11-30T12:00:00Z");

describe("what a line of audit status says", () => {
  it("says how long until something ends, and how long ago it did", () => {
    const day = 86_400;
    assert.deepEqual(ending("it", "2026-12-10T12:00:00Z", NOW, 7 * day), { level: "ok", text: "it ends in 10 d" });
    assert.deepEqual(ending("it", "2026-12-03T12:00:00Z", NOW, 7 * day), { level: "warning", text: "it ends in 3 d" });
    assert.deepEqual(ending("it", "2026-11-30T11:00:00Z", NOW, 7 * day), { level: "bad", text: "it ended 1 h ago" });
  });

  const drift = (change: Parameters<typeof described>[0], marker?: string) =>
    differencesOf(readContainers(described(change, marker)), OUTPUTS.releases, OUTPUTS.image);
  for (const [what, change, marker, wanted] of [
    ["nothing", () => undefined, "green", []],
    ["the marker", () => undefined, "blue", ["Nginx sends requests to slot blue, the last deploy says green"]],
    [
      "a lost replica",
      (all) => void delete all["audit-svc-green-2"],
      "green",
      ["slot green has 1 replicas, the last deploy left 2"],
    ],
    [
      "a stopped replica",
      (all) => Object.assign(all["audit-svc-green-2"] ?? {}, { state: "exited" }),
      "green",
      ["audit-svc-green-2 is exited"],
    ],
    [
      "another release",
      (all) => Object.assign(all["audit-svc-green-1"] ?? {}, { release: "cccccccccccc" }),
      "green",
      ["audit-svc-green-1 runs release cccccccccccc, not bbbbbbbbbbbb"],
    ],
    [
      "another image",
      (all) => Object.assign(all["audit-svc-green-1"] ?? {}, { image: "sha256:a" }),
      "green",
      ["audit-svc-green-1 runs another image than sha256:bbbbbbbbbbbb"],
    ],
    [
      "the idle slot",
      (all) => Object.assign(all["audit-svc-blue-1"] ?? {}, { state: "running" }),
      "green",
      ["audit-svc-blue-1 runs, and slot blue is idle"],
    ],
    ["a lost agent", (all) => void delete all["audit-svc-agent"], "green", ["audit-svc-agent is gone"]],
    [
      "a stopped Nginx",
      (all) => Object.assign(all["audit-edge-nginx"] ?? {}, { state: "exited" }),
      "",
      ["audit-edge-nginx is exited"],
    ],
  ] as [string, Parameters<typeof described>[0], string, string[]][])
    // prettier-ignore
    it(`finds drift: ${what}`, () => assert.deepEqual(drift(change, marker), wanted));

  it("is cut where it does not fit, and keeps its colours", () => {
    const red = (text: string) => `\u001b[31m${text}\u001b[39m`;
    assert.equal(fit("abc", 3), "abc");
    assert.equal(fit("abcd", 3), "ab…");
    assert.equal(fit(`ab${red("cdef")}gh`, 4), `ab${red("c…")}`);
  });
});
