import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DatabaseConfig } from "../src/config.js";
import { type TestDatabase, createDatabase } from "./support/database.js";
import { event, post } from "./support/events.js";
import { type PostgresServer, startServer, until } from "./support/postgres.js";
import { program, startApp } from "./support/service.js";

/** An authority with one certificate for 127.0.0.1; files `NAME.pem`, `NAME-server.pem` and `NAME-server.key`. */
function makeAuthority(directory: string, name: string, address: string): string {
  const openssl = (...args: string[]): void =>
    void execFileSync("openssl", args, { cwd: directory, stdio: ["ignore", "ignore", "pipe"] });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-subj", `/CN=${name}`);
  openssl("req", ...key, "-keyout", `${name}-server.key`, "-out", `${name}.csr`, "-subj", "/CN=postgres");
  writeFileSync(join(directory, `${name}.ext`), `subjectAltName=IP:${address}\n`);
  const signing = ["-CA", `${name}.pem`, "-CAkey", `${name}.key`, "-CAcreateserial", "-extfile", `${name}.ext`];
  openssl("x509", "-req", "-in", `${name}.csr`, ...signing, "-out", `${name}-server.pem`);
  return readFileSync(join(directory, `${name}.pem`), "utf8");
}

describe("TLS to the database", function () {
  this.timeout(120_000);
  const directory = mkdtempSync(join(tmpdir(), "audit-svc-tls-"));
  const inDirectory = (name: string): string => join(directory, name);
  let server: PostgresServer;
  let database: TestDatabase;
  let own: string;
  let other: string;

  /** Installs a certificate and its key for the server's user, readable only by that user. */
  async function serveWith(name: string): Promise<void> {
    for (const [file, source] of Object.entries({ "tls.pem": `${name}-server.pem`, "tls.key": `${name}-server.key` })) {
      const lines = readFileSync(inDirectory(source), "utf8").trim();
      await database.query(
        `COPY (SELECT unnest(string_to_array('${lines}', E'\\n'))) TO PROGRAM 'umask 077; cat > ${file}'`,
      );
    }
    await database.query("ALTER SYSTEM SET ssl_cert_file = 'tls.pem'");
    await database.query("ALTER SYSTEM SET ssl_key_file = 'tls.key'");
    await database.query("ALTER SYSTEM SET ssl = on");
    await database.query("SELECT pg_reload_conf()");
  }

  before(async () => {
    own = makeAuthority(directory, "own", "127.0.0.1");
    other = makeAuthority(directory, "other", "127.0.0.1");
    makeAuthority(directory, "elsewhere", "127.0.0.99");
    server = await startServer();
    database = await createDatabase({ server });
    await serveWith("own");
  });
  after(async () => {
    await database.drop();
    server.remove();
    rmSync(directory, { recursive: true, force: true });
  });
  const checked = (caCertificate?: string): DatabaseConfig => ({
    ...database.runtime,
    sslmode: "verify-full",
    ...(caCertificate === undefined ? {} : { caCertificate }),
  });
  /** Runs `migrate --check` in a separate process, so that it has its own environment. */
  async function migrateCheck(config: DatabaseConfig, env: Record<string, string> = {}): Promise<string> {
    const child = spawn(process.execPath, [program(), "migrate", "--check"], {
      env: { PATH: process.env.PATH ?? "", AUDIT_CONFIG_FILE: "/dev/stdin", ...env },
      stdio: ["pipe", "pipe", "pipe"],
    });
    let out = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stdin.end(JSON.stringify({ database: config }));
    await new Promise((resolve) => child.on("exit", resolve));
    return out;
  }
  const cure = /set database\.caCertificate to the PEM text of the authority that signed the server's certificate/;

  it("serves with caCertificate, one or several in one text, and every connection is encrypted", async () => {
    for (const ca of [own, `# the company's\n${other}\n${own}`]) {
      const { app, stop } = await startApp(checked(ca));
      assert.equal((await post(app.main, event())).statusCode, 201);
      const plain = await database.query(
        "SELECT 1 FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'audit-svc' AND NOT ssl",
      );
      assert.deepEqual(plain, []);
      await stop();
    }
  });

  it("refuses a server that another authority has signed, and says what to set", async () => {
    await assert.rejects(startApp(checked(other)), cure);
    await assert.rejects(startApp(checked()), cure);
  });

  it("encrypts without a check under `require`", async () => {
    const { stop } = await startApp({ ...database.runtime, sslmode: "require" });
    await stop();
  });

  it("trusts the system's store without caCertificate, in migrate too", async () => {
    assert.match(
      await migrateCheck(checked(), { SSL_CERT_FILE: inDirectory("own.pem") }),
      /^schema version \d+, 0 pending/,
    );
    assert.match(await migrateCheck(checked(), { NODE_EXTRA_CA_CERTS: inDirectory("own.pem") }), /^schema version/);
    assert.match(await migrateCheck(checked(), { SSL_CERT_FILE: inDirectory("other.pem") }), cure);
    assert.match(await migrateCheck(checked(), { SSL_CERT_FILE: "/nowhere" }), cure);
    assert.match(await migrateCheck(checked(own)), /^schema version/);
    // caCertificate replaces the system's store.
    assert.match(await migrateCheck(checked(other), { SSL_CERT_FILE: inDirectory("own.pem") }), cure);
  });

  it("refuses a certificate for another address", async () => {
    await serveWith("elsewhere");
    const elsewhere = readFileSync(inDirectory("elsewhere.pem"), "utf8");
    let stderr = "";
    await until(async () => {
      stderr = await migrateCheck(checked(elsewhere));
      return !stderr.includes(
        "set database.caCertificate to the PEM text of the authority that signed the server's certificate",
      );
    }, 20_000);
    assert.match(stderr, /^audit-svc: database: .*127\.0\.0\.1 is not in the cert's list/);
    await serveWith("own");
  });
});
