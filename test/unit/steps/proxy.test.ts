import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createProxy, type Server as ProxyServer } from "node:http";
import { createServer, type Server } from "node:https";
import { connect, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { nodeEnvironment } from "../../../lib/certificate-authority";
import { Authority } from "../support/authority";
import { messagesNameKeys } from "../support/keys";

/** Whether this Node supports NODE_USE_ENV_PROXY: https://nodejs.org/api/cli.html#node_use_env_proxy1 */
function heeds(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  return major > 24 || (major === 24 && minor >= 5) || (major === 22 && minor >= 21);
}

/** The programs of a deploy and of the administrator, with only a proxy as the way out: server names do not resolve. */
describe("a proxy", function () {
  messagesNameKeys();

  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), "proxy-"));
  const asked: string[] = [];
  let authority: Authority;
  let server: Server;
  let proxy: ProxyServer;
  let node = process.execPath;

  before(async () => {
    authority = new Authority(directory);
    server = createServer(authority.issue("DNS:server.example.test"), (request, response) => {
      asked.push(`${request.method} ${request.url}`);
      response.writeHead(200, { "content-type": "application/json" }).end('{"data":{}}');
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    proxy = createProxy((_request, response) => response.writeHead(500).end());
    proxy.on("connect", (request, client, head) => {
      asked.push(`CONNECT ${request.url}`);
      const onward = connect((server.address() as AddressInfo).port, "127.0.0.1", () => {
        client.write("HTTP/1.1 200 Connection established\r\n\r\n");
        onward.write(head);
        onward.pipe(client).pipe(onward);
      });
      for (const socket of [client, onward]) socket.on("error", () => undefined);
    });
    proxy.listen(0, "127.0.0.1");
    await once(proxy, "listening");
    if (!heeds(process.versions.node)) {
      // The one that versions.json pins, which npm fetches once.
      const { npmPackage } = await import("../../../offline/testing.js");
      node = join(await npmPackage("node"), "bin/node");
    }
  });
  beforeEach(() => asked.splice(0));
  after(() => {
    server.close();
    proxy.close();
    rmSync(directory, { recursive: true });
  });

  async function program(args: readonly string[], env: Record<string, string>) {
    const child = spawn(node, ["--require", "tsx/cjs", ...args], {
      env: {
        PATH: process.env.PATH,
        HTTPS_PROXY: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`,
        ...nodeEnvironment(authority),
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(child, "close") as Promise<[number]>;
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { code, output: stdout + stderr };
  }
  const vault = { VAULT_ADDR: "https://server.example.test:8200", VAULT_TOKEN: "t" };

  it("is used for a deploy's requests to Vault", async () => {
    const env = { ...vault, AUDIT_DATABASE: "database", AUDIT_LOGIN: "x" };
    assert.deepEqual(await program(["steps/hand-over-login.ts"], env), { code: 0, output: "" });
    const requests = asked.filter((line) => !line.startsWith("CONNECT"));
    assert.deepEqual(requests, ["POST /v1/database/config/x", "POST /v1/database/rotate-root/x"]);
    assert.equal(asked[0], "CONNECT server.example.test:8200");
  });

  it("is used for a deploy's requests to Prometheus", async () => {
    const env = { PROMETHEUS_URL: "https://server.example.test" };
    assert.deepEqual(await program(["steps/load-rules.ts", "--forget"], env), { code: 0, output: "" });
    assert.deepEqual(asked, ["CONNECT server.example.test:443", "POST /-/reload"]);
  });

  it("is used by the administrator's command", async () => {
    const file = join(directory, "vault.json");
    writeFileSync(
      file,
      JSON.stringify({
        gitlab: { url: "https://gitlab.example.test", project: "team/audit" },
        audience: vault.VAULT_ADDR,
      }),
    );
    const { code, output } = await program(["bootstrap/vault.ts", file, "--check"], vault);
    assert.equal(code, 3, output);
    assert.deepEqual(asked.slice(0, 2), ["CONNECT server.example.test:8200", "GET /v1/sys/mounts"]);
  });

  it("is not used for hosts in NO_PROXY", async () => {
    const env = { ...vault, AUDIT_DATABASE: "database", AUDIT_LOGIN: "x", NO_PROXY: "localhost,.example.test" };
    const { code, output } = await program(["steps/hand-over-login.ts"], env);
    assert.equal(code, 1);
    assert.match(output, /^Vault at https:\/\/server\.example\.test:8200 \(VAULT_ADDR\) does not answer: getaddrinfo/);
    assert.deepEqual(asked, []);
  });

  it("does not hide an unknown authority, which is reported with its cure", async () => {
    const env = { ...vault, AUDIT_DATABASE: "database", AUDIT_LOGIN: "x", NODE_EXTRA_CA_CERTS: "" };
    const { output } = await program(["steps/hand-over-login.ts"], env);
    assert.match(output, /no known authority has signed its certificate: name yours in audit:caFile \(a deploy\)/);
  });
});
