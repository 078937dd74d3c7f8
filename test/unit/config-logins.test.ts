import assert from "node:assert/strict";
import { loginProblems } from "../../config/logins";

describe("configuration: logins from the environment", () => {
  it("that bring white space along are refused by name, without their value", () => {
    const env = { VAULT_TOKEN: "hvs.x\n", PGPASSWORD: "p\r\n", AUDIT_PROMETHEUS_TOKEN: " x" };
    assert.deepEqual(loginProblems(env), [
      "VAULT_TOKEN (environment) begins or ends with a blank or a line break; export it again without",
      "PGPASSWORD (environment) begins or ends with a blank or a line break; export it again without",
      "AUDIT_PROMETHEUS_TOKEN (environment) begins or ends with a blank or a line break; export it again without",
    ]);
  });

  it("that are clean, or not there, are taken", () => {
    assert.deepEqual(loginProblems({ VAULT_TOKEN: "hvs.x", PGPASSWORD: "a b" }), []);
    assert.deepEqual(loginProblems({}), []);
    const headers = { GRAFANA_HTTP_HEADERS: '{"authorization": "Bearer glsa-x"}', GRAFANA_AUTH: "glsa-x" };
    assert.deepEqual(loginProblems(headers), []);
  });

  it("for Grafana must be headers, since its plugin keeps GRAFANA_AUTH in the state", () => {
    assert.deepEqual(loginProblems({ GRAFANA_AUTH: "hidden-token" }), [
      `GRAFANA_HTTP_HEADERS (environment) is missing, and GRAFANA_AUTH is not used, since the plugin would keep it in the state; export GRAFANA_HTTP_HEADERS='{"Authorization": "Bearer <token>"}'`,
    ]);
    for (const headers of ["Bearer hidden", "[]", "null", '{"X-Other": "hidden"}', '{"Authorization": 1}']) {
      assert.deepEqual(loginProblems({ GRAFANA_HTTP_HEADERS: headers }), [
        `GRAFANA_HTTP_HEADERS (environment) must be the JSON of headers with the login, for example '{"Authorization": "Bearer <token>"}'`,
      ]);
    }
  });
});
