import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EdgeCertificate, readCertificate, type CertificateSource } from "../../../../components/edge/edge-certificate";
import { messagesNameKeys } from "../../support/keys";
import { find, ofType, run, scriptOf, Secret } from "../../support/program";
import { world } from "../../support/world";

describe("EdgeCertificate", () => {
  messagesNameKeys();

  let directory: string;
  const file = (name: string) => join(directory, name);
  const files = (certificateFile: string, keyFile: string) => ({
    certificateFile: file(certificateFile),
    keyFile: file(keyFile),
  });
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "certificate-"));
    for (const name of ["one", "two"]) {
      execFileSync("openssl", [
        ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30"],
        ...["-subj", "/CN=edge", "-addext", "subjectAltName=DNS:audit.example.test,IP:10.0.0.7,IP:2001:db8::7"],
        ...["-keyout", file(`${name}.key`), "-out", file(`${name}.crt`)],
      ], { stdio: "ignore" }); // prettier-ignore
    }
    writeFileSync(file("garbage"), "not PEM");
  });
  after(() => rmSync(directory, { recursive: true }));

  const build =
    (source: CertificateSource, serverName = "audit.example.test") =>
    () => {
      const { vm, vault } = world();
      return new EdgeCertificate("audit-edge-certificate", { vm, vault, source, serverName });
    };

  it("from files: sends certificate and key to the VM as a secret, readable only by nginx's group", async () => {
    const { resources } = await run(build({ by: "files", ...files("one.crt", "one.key") }));
    const { inputs } = find(resources, "Command", "audit-edge-certificate-files");
    assert.ok(inputs.stdin instanceof Secret);
    const sent = inputs.stdin.value as string;
    assert.match(
      sent,
      /^# HELP[^]*\{source="files"\} \d{10}\n-----certificate-----\n-----BEGIN CERTIFICATE[^]*PRIVATE KEY-----\n$/,
    );
    assert.match(
      scriptOf(inputs),
      / --cap-add CHOWN [^]* copy-certificate\.sh \/files 101 edge\.pem certificate\.prom$/,
    );
    assert.doesNotMatch(scriptOf(inputs), /PRIVATE KEY/);
    assert.deepEqual(ofType(resources, "Container"), []);
    // With the same name as Vault's volume it would be replaced, and nginx removed for that before its configuration is
    // tested.
    const volumes = ofType(resources, "Volume").map(({ name }) => name);
    assert.ok(volumes.includes("audit-edge-certificate") && !volumes.includes("audit-edge-certificate-tmpfs"));
  });

  it("from files: a preview does without the key, and shows a changed certificate by its digest", async () => {
    const source = (certificate: string): CertificateSource => ({ by: "files", ...files(certificate, "none") });
    const inPreview = [undefined, undefined, true] as const;
    const { resources } = await run(build(source("one.crt")), ...inPreview);
    const { inputs, ignoreChanges } = find(resources, "Command", "audit-edge-certificate-files");
    assert.deepEqual(ignoreChanges, ["stdin"]);
    const other = await run(build(source("two.crt")), ...inPreview);
    assert.notDeepEqual(
      inputs.triggers,
      find(other.resources, "Command", "audit-edge-certificate-files").inputs.triggers,
    );
    const whole = await run(build({ by: "files", ...files("one.crt", "one.key") }), ...inPreview);
    assert.deepEqual(find(whole.resources, "Command", "audit-edge-certificate-files").inputs.triggers, inputs.triggers);
    await assert.rejects(run(build(source("one.crt"))), /audit:tlsKeyFile \S+none cannot be read/);
    await assert.rejects(
      run(build({ by: "files", ...files("one.crt", "two.key") }), ...inPreview),
      /is not the key of/,
    );
  });

  it("from Vault: a dedicated agent, whose token may issue certificates for one role and nothing else", async () => {
    const { resources } = await run(build({ by: "vault", mount: "pki", role: "edge", ttl: "72h" }));
    assert.equal(
      find(resources, "Policy", "audit-edge-certificate-policy").inputs.policy,
      'path "pki/issue/edge" {\n  capabilities = ["create", "update"]\n}\n' +
        'path "auth/token/renew-self" {\n  capabilities = ["update"]\n}\n' +
        'path "auth/token/lookup-self" {\n  capabilities = ["read"]\n}\n',
    );
    const { inputs } = find(resources, "Container", "audit-edge-certificate-agent");
    assert.deepEqual(inputs.networksAdvanced, [{ name: "audit-egress" }]);
    assert.equal(inputs.user, "100:101");
    assert.equal(inputs.readOnly, true);
    const volume = find(resources, "Volume", "audit-edge-certificate-tmpfs").inputs;
    assert.deepEqual((volume.driverOpts as Record<string, string>).type, "tmpfs", "the key is on no disk");
    assert.match(
      scriptOf(find(resources, "Command", "audit-edge-certificate-issued").inputs),
      / wait-certificate\.sh audit-edge-certificate-agent \/run\/tls\/edge\.pem name$/,
    );
    assert.deepEqual(inputs.healthcheck, {
      tests: ["CMD", "sh", "/agent/health.sh"],
      interval: "5s",
      timeout: "10s",
      retries: 3,
      startPeriod: "20s",
    });
  });

  it("renders both templates from one answer of Vault", async () => {
    const { resources } = await run(build({ by: "vault", mount: "pki", role: "edge", ttl: "72h" }));
    const sent = find(resources, "Command", "audit-edge-certificate-agent-files").inputs.stdin as string;
    const asked = [...sent.matchAll(/\{\{ (with secret [^}]*) \}\}/g)].map(([, call]) => call);
    const call = 'with secret "pki/issue/edge" "common_name=audit.example.test" "ttl=72h"';
    assert.deepEqual(asked, [call, call]);
  });

  for (const address of ["10.0.0.7", "2001:db8::7"]) {
    it(`requests a certificate for ${address} as an address, not as a host name`, async () => {
      const { resources } = await run(build({ by: "vault", mount: "pki", role: "edge", ttl: "72h" }, address));
      const sent = find(resources, "Command", "audit-edge-certificate-agent-files").inputs.stdin as string;
      assert.ok(sent.includes(`with secret "pki/issue/edge" "ip_sans=${address}" "ttl=72h"`));
      assert.doesNotMatch(sent, /common_name/);
    });
  }

  it("takes a certificate that fits, also for an address", () => {
    for (const name of ["audit.example.test", "10.0.0.7", "2001:db8::7"])
      readCertificate(files("one.crt", "one.key"), name);
  });

  const refused: [string, () => { certificateFile: string; keyFile: string }, string, Date | undefined, RegExp][] = [
    ["no file", () => files("none", "one.key"), "audit.example.test", undefined, /^audit:tlsCertificateFile \S+none cannot be read \(ENOENT\); it must be a PEM file/],
    ["no certificate", () => files("garbage", "one.key"), "audit.example.test", undefined, /^audit:tlsCertificateFile \S+garbage is not a certificate in PEM format$/],
    ["no key", () => files("one.crt", "garbage"), "audit.example.test", undefined, /^audit:tlsKeyFile \S+garbage is not a private key without a passphrase in PEM format$/],
    ["another's key", () => files("one.crt", "two.key"), "audit.example.test", undefined, /^audit:tlsKeyFile \S+two\.key is not the key of the certificate in \S+one\.crt$/],
    ["an expired one", () => files("one.crt", "one.key"), "audit.example.test", new Date("2100-01-01"), /^audit:tlsCertificateFile \S+ has expired on \d{4}-/],
    ["another host's", () => files("one.crt", "one.key"), "other.test", undefined, /^audit:tlsCertificateFile \S+ is for DNS:audit\.example\.test, IP Address:10\.0\.0\.7, IP Address:2001:DB8:0:0:0:0:0:7, not for other\.test, the host of audit:serviceUrl$/],
  ]; // prettier-ignore
  for (const [what, from, name, now, message] of refused) {
    it(`refuses ${what} before anything is made`, () => {
      assert.throws(() => readCertificate(from(), name, { now }), { message });
    });
  }
});
