import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as http2 from "node:http2";
import { request, type RequestOptions } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect, type PeerCertificate, type TLSSocket } from "node:tls";
import { detours } from "../../ci/lib/hidden-paths";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { startLoad, withoutLoss } from "./support/load";
import { exchange } from "./support/raw";
import { attached, platform, root, run, until } from "./support/sandbox";

const NAME = "vm2.sandbox.test";
const MOUNT = "pki-e2e";

describe("scenario: TLS at the edge", function () {
  const sandbox = attached();
  const directory = mkdtempSync(join(tmpdir(), "tls-"));
  let vaultCa = "";
  let settings = "";

  const up = async (values: Record<string, string>) => {
    const config = Object.entries(values).flatMap(([key, value]) => ["--config", `audit:${key}=${value}`]);
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", ...config]);
    assert.equal(code, 0, output);
    return output;
  };
  const asRoot = async (method: string, path: string, body?: object) => {
    return sandbox().vault<{ data: Record<string, string> }>(method, path, body, rootToken());
  };
  const port = () => Number(new URL(sandbox().get("AUDIT_URL")).port.replace(/80$/, "43"));

  /** Makes a new handshake and returns the server's certificate. */
  const shown = (ca: string, options: object = {}): Promise<PeerCertificate> =>
    new Promise((done, fail) => {
      const socket: TLSSocket = connect({ port: port(), host: "127.0.0.1", servername: NAME, ca, ...options }, () => {
        const certificate = socket.getPeerCertificate();
        socket.end();
        done(certificate);
      });
      socket.on("error", fail);
    });
  const ask = (ca: string, path: string, options: RequestOptions = {}) =>
    new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>((done, fail) => {
      const sent = request(
        { port: port(), host: "127.0.0.1", servername: NAME, ca, path, agent: false, ...options },
        (answer) => {
          let body = "";
          answer.on("data", (chunk: Buffer) => (body += chunk.toString()));
          answer.on("end", () => done({ status: answer.statusCode ?? 0, headers: answer.headers, body }));
        },
      );
      sent.on("error", fail).end();
    });
  /** The metric from Prometheus's address: the certificate's source and expiry. */
  const metric = async () => {
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    const script = `exec 3<>/dev/tcp/${NAME}/9145; printf 'GET /metrics/certificate HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3; cat <&3`;
    const { output } = await run(["docker", "exec", platform("prometheus"), "bash", "-c", script], {
      ...process.env,
      DOCKER_HOST: engineHost,
    });
    const found = /audit_edge_certificate_expiry_timestamp_seconds\{source="(\w+)"\} (\d+)/.exec(output);
    assert.ok(found, output);
    return { source: found[1], end: Number(found[2]) };
  };

  before(async () => {
    settings = readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8");
    await asRoot("POST", `sys/mounts/${MOUNT}`, { type: "pki" });
    const made = await asRoot("POST", `${MOUNT}/root/generate/internal`, { common_name: "sandbox", ttl: "87600h" });
    vaultCa = made?.data.certificate ?? "";
    await asRoot("POST", `${MOUNT}/roles/edge`, { allowed_domains: "sandbox.test", allow_subdomains: true });
  });
  after(async () => {
    rmSync(directory, { recursive: true });
    // `--config` writes into the settings' file.
    writeFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), settings);
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
    await asRoot("DELETE", "sys/policies/acl/audit-edge-certificate");
    await asRoot("DELETE", "auth/approle/role/audit-edge-certificate");
    assert.equal(code, 0, output);
  });

  it("comes from Vault once bootstrap lets an agent have it, with HTTP/2, HSTS, modern protocols, and the way from plain HTTP", async () => {
    await mustBootstrap(sandbox(), { stack: { tls: "vault", tlsPkiMount: MOUNT, tlsPkiRole: "edge" } });
    await up({
      tls: "vault",
      tlsPkiMount: MOUNT,
      tlsPkiRole: "edge",
      tlsPkiTtl: "30s",
      serviceUrl: `https://${NAME}`,
    });
    const answer = await until("an answer over TLS", 30, () => ask(vaultCa, "/healthz"));
    assert.equal(answer.status, 200, answer.body);
    assert.equal(answer.headers["strict-transport-security"], "max-age=31536000");
    assert.equal(answer.headers.server, "nginx", "the version is hidden");

    const session = http2.connect(`https://127.0.0.1:${port()}`, { ca: vaultCa, servername: NAME });
    const overHttp2 = (path: string) =>
      new Promise<unknown>((done, fail) => {
        session
          .request({ ":path": path })
          .on("response", (headers) => done(headers[":status"]))
          .on("error", fail)
          .resume();
      });
    assert.equal(await overHttp2("/healthz"), 200);
    assert.equal(session.alpnProtocol, "h2");
    for (const path of detours("/healthz")) {
      assert.ok([400, 404].includes((await overHttp2(path)) as number), `${path} over HTTP/2`);
      const redirected = await exchange(sandbox().get("AUDIT_URL"), Buffer.from(`GET ${path} HTTP/1.0\r\n\r\n`));
      assert.match(redirected, /^HTTP\/1\.1 40[04] /, `${path} over plain HTTP`);
    }
    session.close();

    await assert.rejects(shown(vaultCa, { maxVersion: "TLSv1.1", minVersion: "TLSv1", ciphers: "ALL:@SECLEVEL=0" }));
    const plain = (path: string) => fetch(sandbox().get("AUDIT_URL") + path, { redirect: "manual" });
    const sent = await plain("/v1/events?limit=1");
    assert.equal(sent.status, 308);
    assert.equal(sent.headers.get("location"), `https://${NAME}/v1/events?limit=1`);
    for (const path of ["/reload", "/metrics", "/readyz"]) {
      assert.equal((await plain(path)).status, 404, path);
      assert.equal((await ask(vaultCa, path)).status, 404, path);
    }
    assert.equal((await metric()).source, "vault");
  });

  it("is renewed before its end without a lost request", async () => {
    const before = await shown(vaultCa);
    const load = startLoad({
      url: `https://127.0.0.1:${port()}`,
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
      tls: { ca: vaultCa, servername: NAME },
    });
    const pid = () =>
      sandbox().docker("exec", "audit-edge-nginx", "sh", "-c", "cat /proc/[0-9]*/stat | grep nginx | cut -d' ' -f1");
    const workers = await pid();
    // Every handshake while waiting must succeed, at any moment of the renewal.
    let handshakes = 0;
    let after = before;
    const deadline = Date.now() + 90_000;
    while (after.serialNumber === before.serialNumber && Date.now() < deadline) {
      after = await shown(vaultCa);
      handshakes += 1;
    }
    const { stored } = withoutLoss(await load.stop());
    assert.notEqual(after.serialNumber, before.serialNumber, `no renewal within 90 s, ${handshakes} handshakes`);
    assert.ok(stored > 100);
    assert.equal(await pid(), workers, "nginx was not reloaded");
    await until("the metric of the new certificate", 10, async () => {
      const { end } = await metric();
      return end >= Math.floor(new Date(after.valid_to).getTime() / 1000) - 1 ? true : undefined;
    });
  });

  it("comes from files, and a mistake in them is reported before anything is changed", async () => {
    const [certificate, key] = [join(directory, "edge.crt"), join(directory, "edge.key")];
    const made = spawnSync(
      "openssl",
      ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"].concat([
        "-subj",
        "/CN=edge",
        "-addext",
        `subjectAltName=DNS:${NAME}`,
        "-keyout",
        key,
        "-out",
        certificate,
      ]),
      { encoding: "utf8" },
    );
    assert.equal(made.status, 0, made.stderr);
    const bad = await sandbox().pulumi([
      ...["up", "--yes", "--skip-preview", "--config", "audit:tls=files"],
      ...["--config", `audit:tlsCertificateFile=${certificate}`, "--config", `audit:tlsKeyFile=${certificate}`],
    ]);
    assert.notEqual(bad.code, 0);
    assert.match(bad.output, /audit:tlsKeyFile \S+edge\.crt is not a private key/);
    await up({ tls: "files", tlsCertificateFile: certificate, tlsKeyFile: key });
    const ca = readFileSync(certificate, "utf8");
    assert.equal((await until("an answer", 30, () => ask(ca, "/healthz"))).status, 200);
    const { source, end } = await metric();
    assert.equal(source, "files");
    assert.equal(end, Math.floor(new Date((await shown(ca)).valid_to).getTime() / 1000));
    const state = await sandbox().mustPulumi("stack", "export");
    assert.ok(
      !state.includes(readFileSync(key, "utf8").split("\n")[1] ?? "?"),
      "the key is in the state in plain text",
    );
  });
});
