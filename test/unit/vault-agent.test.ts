import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { readOnlyPolicy } from "../../components/secrets-binding";
import { renderAgentConfig, renderedSecret, renderReloadScript, renderTemplate } from "../../vault-agent/render";

const expected = (file: string) => readFileSync(`test/unit/expected/${file}`, "utf8");

describe("Vault Agent's files", () => {
  it("agent.hcl", () => {
    const text = renderAgentConfig({
      vaultAddress: "https://vault.example.test:8200",
      roleIdFile: "/credentials/role_id",
      secretIdFile: "/credentials/secret_id",
      templateFile: "/agent/config.ctmpl",
      configFile: "/run/audit/config.json",
      reloadCommand: "/agent/reload.sh",
      renderInterval: 5,
      reloadDeadline: 30,
    });
    assert.equal(text, expected("agent.hcl"));
  });

  it("config.ctmpl", () => {
    assert.equal(
      renderTemplate("secret/data/audit-svc/vm2"),
      '{{ with secret "secret/data/audit-svc/vm2" }}{{ .Data.data | toJSONPretty }}{{ end }}\n',
    );
  });

  it("knows the file that Go makes of a secret", () => {
    assert.equal(
      renderedSecret({ tokens: [], database: { user: "b", password: "<a&b>", port: 5432, absent: undefined } }),
      '{\n  "database": {\n    "password": "\\u003ca\\u0026b\\u003e",\n    "port": 5432,\n    "user": "b"\n  },\n  "tokens": []\n}\n',
    );
  });

  it("reload.sh", () => {
    const text = renderReloadScript({
      configFile: "/run/audit/config.json",
      flagFile: "/run/release/green",
      first: [{ name: "audit-svc-blue-1", url: "http://172.29.97.16:8081/reload" }],
      second: [
        { name: "audit-svc-green-1", url: "http://172.29.97.48:8081/reload" },
        { name: "audit-svc-green-2", url: "http://172.29.97.49:8081/reload" },
      ],
      deadline: 30,
      resultFile: "/tmp/last-reload",
    });
    assert.equal(text, expected("reload.sh"));
  });

  it("policy: reads the one path and nothing else", () => {
    assert.equal(
      readOnlyPolicy("secret", "audit-svc/vm2"),
      'path "secret/data/audit-svc/vm2" {\n  capabilities = ["read"]\n}\n',
    );
  });
});
