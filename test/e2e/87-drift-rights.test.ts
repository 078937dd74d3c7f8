import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Client } from "pg";
import { connectTo } from "./support/database";
import { idToken } from "./support/id-token";
import { addressOf, removeLogins, secretsOf, setUpLogins } from "./support/pipeline";
import { attached, root, run, until } from "./support/sandbox";

describe("scenario: what the logins of the job drift can do, and what they cannot", function () {
  this.timeout(120_000);
  const sandbox = attached();
  let token: string;

  before(async () => {
    await setUpLogins(sandbox(), `${addressOf("registry")}:5000`);
    const jwt = idToken(sandbox(), { ref: "main", ref_type: "branch", pipeline_source: "schedule" });
    const answer = await sandbox().vault<{ auth: { client_token: string; policies: string[] } }>(
      "POST",
      "auth/jwt/login",
      { role: "audit-ci-drift", jwt },
      "",
    );
    token = answer?.auth.client_token ?? "";
  });
  after(async () => {
    await sandbox().vault("POST", "auth/token/revoke-self", {}, token);
    await removeLogins(sandbox());
  });

  describe("in Vault", () => {
    const forbidden: [what: string, method: string, path: string, body?: object][] = [
      ["read a secret of the service", "GET", "secret/data/audit-svc/sandbox"],
      ["read the applications' tokens", "GET", "secret/data/audit-svc/sandbox-tokens"],
      ["write a secret", "POST", "secret/data/audit-svc/sandbox", { data: {} }],
      ["delete a secret", "DELETE", "secret/metadata/audit-svc/sandbox"],
      ["issue a secret_id", "POST", "auth/approle/role/audit-svc/secret-id", {}],
      [
        "end a secret_id",
        "POST",
        "auth/approle/role/audit-svc/secret-id-accessor/destroy",
        { secret_id_accessor: "a" },
      ],
      ["write a role", "POST", "auth/approle/role/audit-svc", { token_policies: "root" }],
      ["write a policy", "PUT", "sys/policies/acl/audit-reader", { policy: "" }],
      ["decrypt the state", "POST", "transit/decrypt/pulumi-sandbox", { ciphertext: "vault:v1:AAAA" }],
      ["write the copy of the state", "PUT", "secret/data/ci/audit/state-copy/sandbox", { data: {} }],
      ["read the deploy's logins", "GET", "secret/data/ci/audit/deploy"],
      ["change a login of the database", "POST", "database/config/audit-svc", { password: "a" }],
      ["get a deploy's certificate", "POST", "ssh/sign/vm2", { public_key: "a" }],
      ["choose a certificate's options", "POST", "ssh/sign/vm2-read", { critical_options: { "force-command": "sh" } }],
      ["choose a certificate's extensions", "POST", "ssh/sign/vm2-read", { extensions: { "permit-pty": "" } }],
    ];
    for (const [what, method, path, body] of forbidden) {
      it(`cannot ${what}`, () => assert.rejects(sandbox().vault(method, path, body, token), /answered 403 /));
    }
  });

  describe("in PostgreSQL", () => {
    let client: Client;
    const refused = (sql: string) => assert.rejects(client.query(sql), /permission denied/);
    before(async () => {
      client = await connectTo(sandbox(), { user: "drift", password: secretsOf().drift ?? "" });
    });
    after(() => client.end());

    it("reads roles and rights", async () => {
      const { rows } = await client.query("SELECT rolname FROM pg_roles WHERE rolname = 'audit_owner'");
      assert.equal(rows.length, 1);
    });
    for (const [what, sql] of [
      ["make a role", "CREATE ROLE mallory"],
      ["change a role", "ALTER ROLE audit_app PASSWORD 'a'"],
      ["make itself a member", "GRANT audit_owner TO drift"],
      ["make a database", "CREATE DATABASE mallory"],
      ["read an event", "SELECT * FROM audit.events LIMIT 1"],
      ["make a table", "CREATE TABLE mallory ()"],
    ] as const) {
      it(`cannot ${what}`, () => refused(sql));
    }
    it("cannot connect to the database of the state", () =>
      assert.rejects(
        connectTo(sandbox(), { user: "drift", password: secretsOf().drift ?? "", database: "pulumi_state" }),
        /permission denied for database/,
      ));
  });

  describe("on VM2", () => {
    let dir: string;
    /** The docker CLI as the job's plugins reach VM2, and ssh as it stands. */
    let env: NodeJS.ProcessEnv;
    before(async () => {
      dir = mkdtempSync(join(tmpdir(), "drift-"));
      const key = join(dir, "key");
      assert.equal((await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key])).code, 0);
      const signed = await sandbox().vault<{ data: { signed_key: string } }>(
        "PUT",
        "ssh/sign/vm2-read",
        { public_key: readFileSync(`${key}.pub`, "utf8"), valid_principals: "deploy" },
        token,
      );
      writeFileSync(`${key}-cert.pub`, signed?.data.signed_key ?? "");
      const hosts = join(root, ".sandbox/ssh/known_hosts");
      const options = `-F none -i '${key}' -o IdentitiesOnly=yes -o IdentityAgent=none -o UserKnownHostsFile='${hosts}' -o BatchMode=yes`;
      const ssh = (await run(["sh", "-c", "command -v ssh"], { PATH: "/usr/bin:/bin:/usr/local/bin" })).stdout.trim();
      writeFileSync(join(dir, "ssh"), `#!/bin/sh\nexec ${ssh} ${options} "$@"\n`, { mode: 0o700 });
      env = { ...sandbox().env, PATH: `${dir}:${sandbox().get("PATH")}` };
    });
    after(() => rmSync(dir, { recursive: true }));

    const docker = (...args: string[]) => run(["docker", ...args], env);
    const login = () => {
      const { username, hostname, port } = new URL(sandbox().get("DOCKER_HOST"));
      return ["ssh", "-p", port, `${username}@${hostname}`];
    };

    it("sees containers, networks, images and volumes", async () => {
      const { code, stdout, output } = await docker("ps", "--format", "{{.Names}}");
      assert.equal(code, 0, output);
      assert.match(stdout, /^audit-edge-nginx$/m);
      for (const args of [
        ["inspect", "audit-edge-nginx"],
        ["network", "ls"],
        ["image", "ls"],
        ["volume", "ls"],
      ])
        assert.equal((await docker(...args)).code, 0, args.join(" "));
    });
    for (const args of [
      ["stop", "audit-edge-nginx"],
      ["start", "audit-edge-nginx"],
      ["restart", "audit-edge-nginx"],
      ["rm", "--force", "audit-edge-exporter"],
      ["exec", "audit-edge-nginx", "true"],
      ["logs", "audit-edge-nginx"],
      ["cp", "audit-edge-nginx:/etc/nginx/nginx.conf", "-"],
      ["run", "--rm", "--volume", "/:/host", "any", "true"],
      ["network", "create", "mallory"],
      ["volume", "rm", "audit-svc-config"],
      ["image", "pull", "any"],
    ]) {
      it(`cannot docker ${args.join(" ")}`, async () => {
        const { code, output } = await docker(...args);
        assert.notEqual(code, 0, output);
        assert.match(output, /this login only reads/);
      });
    }
    for (const command of ["id", "docker ps", "docker run --rm any", "cat /etc/shadow"]) {
      it(`cannot run ${command}`, async () => {
        const { code, output, stdout } = await run([...login(), command], env);
        assert.deepEqual([code, stdout], [1, ""], output);
        assert.match(output, /this login only reads/);
      });
    }
    it("cannot reach Docker's socket by forwarding", async () => {
      const socket = join(dir, "docker.sock");
      const forward = [...login(), "-o", "ExitOnForwardFailure=yes", "-L", `${socket}:/var/run/docker.sock`];
      const forwarding = run(["timeout", "10", ...forward, "-N"], env);
      await until("the socket is there", 10, () => Promise.resolve(existsSync(socket) || undefined));
      const { code, output } = await run(["docker", "--host", `unix://${socket}`, "ps"], env);
      assert.notEqual(code, 0, output);
      assert.match((await forwarding).output, /open failed/);
    });
  });
});
