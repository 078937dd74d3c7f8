import assert from "node:assert/strict";
import { loginProblems } from "../../config/logins";

describe("configuration: logins from the environment", () => {
  it("that bring white space along are refused by name, without their value", () => {
    assert.deepEqual(loginProblems({ VAULT_TOKEN: "hvs.x\n", PGPASSWORD: "p\r\n", GRAFANA_AUTH: " admin:x" }), [
      "VAULT_TOKEN (environment) begins or ends with a blank or a line break; export it again without",
      "PGPASSWORD (environment) begins or ends with a blank or a line break; export it again without",
      "GRAFANA_AUTH (environment) begins or ends with a blank or a line break; export it again without",
    ]);
  });

  it("that are clean, or not there, are taken", () => {
    assert.deepEqual(loginProblems({ VAULT_TOKEN: "hvs.x", PGPASSWORD: "a b" }), []);
    assert.deepEqual(loginProblems({}), []);
  });
});
