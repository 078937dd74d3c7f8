import assert from "node:assert/strict";
import { readRecord, writeRecord } from "../../../lib/deploy-record";
import type { ReleaseState } from "../../../lib/release-state";
import { planRollback } from "../../../lib/rollback";

const slot = (letter: string, replicas: number) => ({
  ...{ release: letter.repeat(12), image: `registry.test/audit@sha256:${letter.repeat(64)}`, replicas, memory: 256 },
});
const releases: ReleaseState = { active: "blue", slots: { blue: slot("a", 2), green: slot("b", 3) } };
const outputs = { release: "a".repeat(12), releases };

describe("a rollback", () => {
  it("deploys the other slot's release by its settings, with a record", () => {
    assert.deepEqual(planRollback(outputs, { by: "alice", place: "by hand" }), {
      from: "aaaaaaaaaaaa",
      to: slot("b", 3),
      settings: {
        ...{ "audit:image": slot("b", 3).image, "audit:replicas": "3" },
        ...{ "audit:memory": "256", "audit:reloadOn": "admin" },
      },
      message: "rollback by alice: release aaaaaaaaaaaa -> bbbbbbbbbbbb (sha256:bbbbbbbbbbbb); by hand",
    });
    const { message } = planRollback(outputs, { version: "v2", by: "bob", place: "https://ci/1" }) ?? {};
    assert.match(message ?? "", /^rollback from v2 by bob: .*; https:\/\/ci\/1$/);
  });

  it("is nothing before the second release", () => {
    assert.equal(planRollback({}, { by: "a", place: "b" }), undefined);
    assert.equal(planRollback({ releases: { active: "blue", slots: { blue: slot("a", 1) } } }, { by: "a", place: "b" }), undefined); // prettier-ignore
  });
});

describe("the record of a deploy", () => {
  it("is read as it was written, the first one too", () => {
    const record = { what: "deploy v1", by: "alice", place: "https://gitlab.example.com/p/1" };
    assert.deepEqual(readRecord(writeRecord({ ...record, from: "b".repeat(12) }, slot("a", 2))), {
      ...{ ...record, from: "bbbbbbbbbbbb", to: "aaaaaaaaaaaa", digest: "sha256:aaaaaaaaaaaa" },
    });
    const first = readRecord(writeRecord(record, slot("a", 2)));
    assert.equal(first?.to, "aaaaaaaaaaaa");
    assert.equal(first.from, undefined);
  });

  it("is not what the CLI writes by itself", () => {
    assert.equal(readRecord("Release the pool by hand: it is empty"), undefined);
    assert.equal(readRecord(""), undefined);
  });
});
