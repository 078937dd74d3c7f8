import assert from "node:assert/strict";
import { GrafanaDescription } from "./support/grafana-description.js";

describe("Grafana's published description", function () {
  this.timeout(120_000);
  let description: GrafanaDescription;
  before(async () => {
    description = await GrafanaDescription.load();
  });

  it("is read as a whole from the client that is generated from it", () => {
    const { operations, models } = description.size;
    assert.ok(operations > 300 && models > 400, JSON.stringify(description.size));
    const put = description.find("PUT", "/api/v1/provisioning/folder/f/rule-groups/g");
    assert.equal(put?.body, "*models.AlertRuleGroup");
    assert.deepEqual(
      [...put.answers],
      [
        [200, "*models.AlertRuleGroup"],
        [400, "*models.ValidationError"],
      ],
    );
    assert.equal(description.find("GET", "/api/folders/f?accesscontrol=true")?.id, "getFolderByUID");
  });

  it("finds what is missing, of another type, unknown or no answer of that operation", () => {
    const call = { method: "GET", path: "/api/v1/provisioning/alert-rules/a", request: undefined, status: 200 };
    const rule = {
      ...{ uid: "a", title: "t", orgID: 1, folderUID: "f", ruleGroup: "g", condition: "A", data: [], for: "1m" },
      ...{ noDataState: "OK", execErrState: "Error" },
    };
    const problems = (answer: object, status = 200) =>
      description
        .problems({ ...call, status, answer }, true)
        .map((text) => text.replace(/^GetAlertRule \(GET .*?\): /, ""));
    assert.deepEqual(problems(rule), []);
    assert.deepEqual(problems({ ...rule, title: undefined, for: 60, noDataState: "Fine", more: 1 }), [
      "200.for is 60, not strfmt.Duration",
      '200.noDataState is "Fine", none of Alerting, NoData, OK',
      "200 has more, which the description does not know",
    ]);
    assert.deepEqual(problems({ ...rule, uid: "no spaces" }), [
      '200.uid is "no spaces", which does not match ^[a-zA-Z0-9-_]+$',
    ]);
    assert.deepEqual(problems({}, 200).slice(0, 1), ["200 has no condition"]);
    assert.deepEqual(problems({}, 409), ["409 is none of 200, 404"]);
    assert.deepEqual(description.problems({ ...call, path: "/api/no-such-thing", answer: {} }, true), [
      "GET /api/no-such-thing: there is no such operation",
    ]);
  });
});
