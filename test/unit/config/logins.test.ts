import assert from "node:assert/strict";
import { loginProblems } from "../../../config/logins";
import { problems } from "../support/settings";

describe("configuration: logins from the environment", () => {
  it("with surrounding white space are refused by name, without their value", () => {
    const env = { VAULT_TOKEN: "hvs.x\n", PGPASSWORD: "p\r\n", AUDIT_PROMETHEUS_TOKEN: " x" };
    assert.deepEqual(loginProblems(env), [
      "VAULT_TOKEN (environment) begins or ends with a blank or a line break; export it again without",
      "PGPASSWORD (environment) begins or ends with a blank or a line break; export it again without",
      "AUDIT_PROMETHEUS_TOKEN (environment) begins or ends with a blank or a line break; export it again without",
    ]);
  });

  it("with a line break or another character inside that would make errors repeat them are refused by name", () => {
    const unfit = "has a line break or another character within it that a header cannot have; set it again without";
    const broken = "has a line break or another control character within it; export it again without";
    const cases = [
      ["VAULT_TOKEN", "WARNING! x\nhvs.SECRET", unfit],
      ["VAULT_TOKEN", "hvs.SECRET\u2026", unfit],
      ["AUDIT_PROMETHEUS_TOKEN", "x\r\nSECRET", unfit],
      ["AUDIT_PROMETHEUS_TOKEN", "x\u0000SECRET", unfit],
      ["GRAFANA_HTTP_HEADERS", '{"Authorization": "Bearer a\\nSECRET"}', unfit],
      ["GRAFANA_HTTP_HEADERS", '{"Authorization": "Bearer SECRET", "X\\nY": "z"}', unfit],
      ["PGPASSWORD", "a\nSECRET", broken],
      ["AUDIT_REGISTRY_PASSWORD", "a\u0007SECRET", broken],
    ] as const;
    for (const [name, value, what] of cases)
      assert.deepEqual(loginProblems({ [name]: value }), [`${name} (environment) ${what}`], JSON.stringify(value));
    const prometheus = { AUDIT_PROMETHEUS_USERNAME: "robot", AUDIT_PROMETHEUS_PASSWORD: "a\nSECRET" };
    assert.deepEqual(loginProblems(prometheus), [`AUDIT_PROMETHEUS_PASSWORD (environment) ${broken}`]);
  });

  it("may have passwords in any language, and the registry's from a file", () => {
    assert.deepEqual(loginProblems({ PGPASSWORD: "pässwörd \u2026", AUDIT_REGISTRY_PASSWORD: "wörd\n" }), []);
  });

  it("for the registry, in the stack's own settings, are refused likewise, and count as missing when blank", () => {
    const login = (password: string) =>
      problems({ "audit:registryUsername": "robot", "audit:registryPassword": password });
    assert.deepEqual(login("wörd\n"), []);
    assert.deepEqual(login("a\nSECRET"), [
      "audit:registryPassword has a line break or another control character within it; set it again without",
    ]);
    for (const blank of ["", "\n", " "])
      assert.match(login(blank).join("\n"), /^audit:registryPassword is missing; set it/);
  });

  it("that are clean or absent are accepted", () => {
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
