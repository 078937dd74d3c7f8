import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer as createTcp, type AddressInfo, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer as createTls, TLSSocket } from "node:tls";
import { readCertificateAuthority } from "../../../lib/certificate-authority";
import { checkCertificates, httpsServer, lookAtCertificate, type Server } from "../../../lib/check-certificates";
import { UserError } from "../../../lib/user-error";
import { messagesNameKeys } from "../support/keys";
import { Authority } from "../support/authority";

describe("a private authority", () => {
  messagesNameKeys();

  const directory = mkdtempSync(join(tmpdir(), "authority-"));
  const file = (name: string, text: string) => {
    writeFileSync(join(directory, name), text);
    return join(directory, name);
  };
  let ours: Authority;
  let theirs: Authority;
  const servers: TcpServer[] = [];

  before(() => {
    ours = new Authority(directory, "ours");
    theirs = new Authority(directory, "theirs");
  });
  after(() => {
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
  });

  it("is read without other text around its certificates", () => {
    const two = file("two.pem", `# ours\n${ours.pem}some words\n${theirs.pem}`);
    assert.deepEqual(readCertificateAuthority(two), { file: two, pem: ours.pem + theirs.pem });
  });

  const refusals: [string, () => string, RegExp][] = [
    ["a file that is not there", () => join(directory, "none"), /none cannot be read \(ENOENT\); set the path of/],
    ["a file without a certificate", () => file("text", "hello"), /text holds no certificate in PEM format/],
    [
      "a private key, which is secret",
      () => file("key", ours.pem + readFileSync(join(directory, "ours.key"), "utf8")),
      /key holds a private key; it must hold the certificates/,
    ],
    [
      "a certificate that is none",
      () => file("bad", `${ours.pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n`),
      /bad: certificate 2 cannot be read/,
    ],
    ["a whole system's store", () => file("store", ours.pem.repeat(200)), /holds 200 certificates; name only those/],
  ];
  for (const [what, path, message] of refusals) {
    it(`is refused: ${what}`, () => {
      assert.throws(() => readCertificateAuthority(path()), message);
    });
  }
  it("is refused when all of it has expired", () => {
    const later = new Date(Date.now() + 3 * 86_400_000);
    assert.throws(() => readCertificateAuthority(ours.file, later), /every certificate in it has expired, the last on/);
  });

  /** A server with a certificate for these names: HTTPS, or PostgreSQL as far as its greeting. */
  async function serve(protocol: Server["protocol"], names: string): Promise<Server> {
    const tls = ours.issue(names);
    const server =
      protocol === "https"
        ? createTls(tls)
        : createTcp((socket) => {
            socket.on("error", () => undefined);
            socket.once("data", () => {
              socket.write("S");
              new TLSSocket(socket, { isServer: true, ...tls }).on("error", () => undefined);
            });
          });
    server.on("tlsClientError", () => undefined);
    server.listen(0, "127.0.0.1");
    servers.push(server);
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const address = `https://127.0.0.1:${port}`;
    return { setting: "audit:vaultAddress", address, host: "127.0.0.1", port, protocol, exclusive: true };
  }
  const problems = async (server: Server, authority?: Authority) => {
    try {
      await checkCertificates([server], authority);
    } catch (error) {
      assert.ok(error instanceof UserError, String(error));
      return error.message;
    }
    return undefined;
  };

  it("is not looked at where nothing answers", async () => {
    const server = await serve("https", "IP:127.0.0.1");
    assert.deepEqual(await lookAtCertificate(server, ours), {});
    assert.match((await lookAtCertificate(server, undefined)).problem ?? "", /no known authority has signed/);
    const { problem, unanswered } = await lookAtCertificate({ ...server, host: "127.0.0.1", port: 1 }, ours);
    assert.equal(problem, undefined);
    assert.match(unanswered ?? "", /ECONNREFUSED/);
  });

  for (const protocol of ["https", "postgresql"] as const) {
    it(`must have signed the certificate of a server (${protocol})`, async () => {
      const server = await serve(protocol, "IP:127.0.0.1");
      assert.equal(await problems(server, ours), undefined);
      assert.equal(await problems({ ...server, exclusive: false }, ours), undefined);
      assert.match(
        (await problems(server)) ?? "",
        /^Nothing was changed\.\n {2}- audit:vaultAddress https:\/\/127\.0\.0\.1:\d+ has a certificate that no known authority has signed \(.+\)\. Name a PEM file with your own in audit:caFile$/,
      );
      assert.match(
        (await problems(server, theirs)) ?? "",
        /none of the authorities in audit:caFile \S+theirs\.pem has signed \(.+\)\. Add the one that did$/,
      );
    });

    it(`does not help a server with a certificate for another name (${protocol})`, async () => {
      const server = await serve(protocol, "DNS:other.test");
      assert.match((await problems(server, ours)) ?? "", /has a certificate for another name: .*127\.0\.0\.1/);
    });
  }

  it("does not apply to a server that is unreachable, has no TLS, or has a plain HTTP address", async () => {
    const silent = createTcp((socket) => socket.end("N")).listen(0, "127.0.0.1");
    servers.push(silent);
    await once(silent, "listening");
    const { port } = silent.address() as AddressInfo;
    const server: Server = { setting: "s", address: "a", host: "127.0.0.1", port, protocol: "postgresql" };
    assert.equal(await problems(server), undefined);
    assert.equal(await problems({ ...server, port: 1 }), undefined);
    assert.equal(httpsServer("s", "http://127.0.0.1", true), undefined);
    assert.deepEqual(httpsServer("s", "https://[2001:db8::1]", false), {
      setting: "s",
      address: "https://[2001:db8::1]",
      host: "2001:db8::1",
      port: 443,
      protocol: "https",
      exclusive: false,
    });
  });
});
