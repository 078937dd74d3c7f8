import assert from "node:assert/strict";
import { examine } from "../../../../cli/doctor/examine";
import { SUBJECTS } from "../../../../cli/doctor/subjects";
import { set } from "./broken/broken";
import { database } from "./broken/database";
import { machine } from "./broken/machine";
import { monitoring } from "./broken/monitoring";
import { networks } from "./broken/networks";
import { pipeline } from "./broken/pipeline";
import { vault } from "./broken/vault";
import { inOrder, worldOf } from "./world";

/** By the name of the check: every way in which it is shown failing. */
const BROKEN = { ...machine, ...networks, ...database, ...vault, ...monitoring, ...pipeline };

/** Says only whether the others can look. */
const ONLY_NEEDED = ["gitlab-known"];

describe("audit doctor: its checks", () => {
  const all = SUBJECTS.flatMap(({ checks }) => checks);
  const token = { GITLAB_TOKEN: "glpat" };

  it("finds nothing in a world in order", async () => {
    const answers = inOrder();
    set("env", token)(answers);
    const results = await examine(SUBJECTS, worldOf(answers));
    assert.deepEqual(results.filter(({ level }) => level === "failure" || level === "warning"), []); // prettier-ignore
    assert.deepEqual(results.filter(({ level }) => level === "skipped").map(({ id }) => id), ["gitlab-runner"]); // prettier-ignore
  });

  it("has names that are unique, and needs that exist", () => {
    const ids = all.map(({ id }) => id);
    assert.equal(new Set(ids).size, ids.length);
    assert.ok(ids.length >= 30, `${ids.length}`);
    for (const { id, needs } of all) if (needs !== undefined) assert.ok(ids.includes(needs), id);
    assert.deepEqual(ids.filter((id) => !ONLY_NEEDED.includes(id)).sort(), Object.keys(BROKEN).sort());
  });

  for (const [id, cases] of Object.entries(BROKEN)) {
    for (const { what, settings, change, level = "failure", found, cure } of cases) {
      it(`${id}: ${what}`, async () => {
        const answers = inOrder(settings);
        set("env", token)(answers);
        change?.(answers);
        const results = await examine(SUBJECTS, worldOf(answers));
        const result = results.find((each) => each.id === id);
        assert.equal(result?.level, level, JSON.stringify(result));
        assert.match(result.found, found);
        assert.match(result.cure ?? "", cure);
      });
    }
  }
});
