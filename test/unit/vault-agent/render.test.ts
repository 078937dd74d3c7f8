import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { renderCertificateAgent, renderCertificateMetrics } from "../../../vault-agent/certificate";
import { readOnlyPolicy } from "../../../lib/vault/rights";
import { MADE_BY_VAULT, renderAgentConfig, renderedSecret, renderTemplate } from "../../../vault-agent/render";
import { runScript } from "../support/host-script";

const expected = (file: string) => readFileSync(`test/unit/vault-agent/expected/${file}`, "utf8");

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

  const signing = {
    vaultAddress: "https://vault.example.test:8200",
    templateFile: "/agent/config.ctmpl",
    configFile: "/run/audit/config.json",
    renderInterval: 5,
    reloadDeadline: 30,
    socket: { path: "/run/audit/vault.sock", user: 100, group: 10001 },
  };
  const appRole = { roleIdFile: "/credentials/role_id", secretIdFile: "/credentials/secret_id" };

  it("agent.hcl of an agent through which the service signs", () => {
    const socket = expected("socket.hcl");
    const onVm = renderAgentConfig({ ...signing, ...appRole });
    assert.equal(onVm.replace(socket, ""), renderAgentConfig({ ...signing, ...appRole, socket: undefined }));
    const kubernetes = { mount: "k8s", role: "audit-svc-cluster", tokenFile: "/run/vault/token" };
    const pod = { ...signing, kubernetes, metricsPort: 9102 };
    const inPod = renderAgentConfig(pod);
    assert.equal(
      inPod.replace(`\napi_proxy {\n  use_auto_auth_token = true\n}\n${socket}`, ""),
      renderAgentConfig({ ...pod, socket: undefined }),
    );
    for (const text of [onVm, inPod]) assert.equal(text.match(/^api_proxy \{$/gm)?.length, 1);
  });

  it("config.ctmpl", () => {
    assert.equal(
      renderTemplate("secret/data/audit-svc/vm2"),
      '{{ with secret "secret/data/audit-svc/vm2" }}{{ .Data.data | toJSONPretty }}{{ end }}\n',
    );
  });

  it("config.ctmpl where Vault makes the login", () => {
    assert.equal(
      renderTemplate("secret/data/audit-svc/vm2", "database/creds/audit-svc"),
      '{{ with secret "secret/data/audit-svc/vm2" }}{{ $config := .Data.data }}' +
        '{{ with secret "database/creds/audit-svc" }}' +
        '{{ $login := sprig_dict "user" .Data.username "password" .Data.password }}' +
        "{{ $database := sprig_merge $login $config.database }}" +
        '{{ sprig_merge (sprig_dict "database" $database) $config | toJSONPretty }}{{ end }}{{ end }}\n',
    );
  });

  describe("of the edge's certificate", () => {
    const files = (more: object = {}) =>
      renderCertificateAgent({
        vaultAddress: "https://vault.example.test:8200",
        roleIdFile: "/credentials/role_id",
        secretIdFile: "/credentials/secret_id",
        templates: "/agent",
        directory: "/run/tls",
        mount: "pki",
        role: "edge",
        serverName: "audit.example.test",
        ttl: "72h",
        ...more,
      });

    it("agent.hcl", () => {
      assert.equal(
        files({ namespace: 'a "team"', caFile: "/agent/ca.pem" })["agent.hcl"],
        expected("certificate-agent.hcl"),
      );
    });

    it("the templates", () => {
      const { "certificate.ctmpl": certificate, "metrics.ctmpl": metrics } = files();
      const secret = '{{ with secret "pki/issue/edge" "common_name=audit.example.test" "ttl=72h" }}';
      assert.equal(
        certificate,
        `${secret}{{ .Data.certificate }}\n{{ range .Data.ca_chain }}{{ . }}\n{{ end }}{{ .Data.private_key }}\n{{ end }}\n`,
      );
      assert.equal(metrics, `${secret}${renderCertificateMetrics("vault", "{{ .Data.expiration }}")}{{ end }}\n`);
      assert.match(files({ serverName: "10.0.0.1" })["certificate.ctmpl"] ?? "", / "ip_sans=10\.0\.0\.1" /);
    });

    it("its expiry", () => {
      assert.equal(
        renderCertificateMetrics("files", 5),
        `# HELP audit_edge_certificate_expiry_timestamp_seconds End of the edge's certificate
# TYPE audit_edge_certificate_expiry_timestamp_seconds gauge
audit_edge_certificate_expiry_timestamp_seconds{source="files"} 5
`,
      );
    });
  });

  it("leaves out the login that Vault has created, and nothing else", () => {
    const data = { database: { host: "h", password: "x", user: "y" }, tokens: [{ name: "user", password: 1 }] };
    const kept = renderedSecret(data, MADE_BY_VAULT);
    assert.equal(
      kept,
      '{\n  "database": {\n    "host": "h",\n  },\n  "tokens": [\n    {\n      "name": "user",\n      "password": 1\n    }\n  ]\n}\n',
    );
    const directory = mkdtempSync(join(tmpdir(), "confirm-"));
    try {
      const file = join(directory, "config.json");
      // A `docker exec CONTAINER` that runs the command here.
      writeFileSync(join(directory, "docker"), '#!/bin/sh\n[ "$1" = logs ] && exit\nshift 2\nexec "$@"\n', {
        mode: 0o755,
      });
      writeFileSync(file, renderedSecret({ ...data, database: { ...data.database, password: "other" } }));
      const digest = createHash("sha256").update(kept).digest("hex");
      const rendered = (wanted: string) =>
        runScript("wait-rendered.sh", ["c", file, wanted, 0, MADE_BY_VAULT], { directory });
      assert.deepEqual([rendered(digest).status, rendered(digest).stderr], [0, ""]);
      const whole = createHash("sha256").update(readFileSync(file)).digest("hex");
      assert.equal(runScript("wait-rendered.sh", ["c", file, whole, 0, ""], { directory }).status, 0);
      assert.match(rendered("0").stderr, /has not rendered the secret of this deploy within 0 s/);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("computes the file that Go renders from a secret", () => {
    assert.equal(
      renderedSecret({ tokens: [], database: { user: "b", password: "<a&b>", port: 5432, absent: undefined } }),
      '{\n  "database": {\n    "password": "\\u003ca\\u0026b\\u003e",\n    "port": 5432,\n    "user": "b"\n  },\n  "tokens": []\n}\n',
    );
  });

  it("policy: reads the one path and nothing else", () => {
    assert.equal(
      readOnlyPolicy("secret", "audit-svc/vm2"),
      'path "secret/data/audit-svc/vm2" {\n  capabilities = ["read"]\n}\n',
    );
  });
});
