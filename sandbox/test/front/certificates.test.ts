import assert from "node:assert/strict";
import { createPrivateKey, X509Certificate } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { authority, certificate, type Certificate } from "../../src/certificates.js";
import { readSettings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("a certificate of the sandbox is made again", () => {
  const { PATH } = process.env;
  let root: string;
  let state: State;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "certificates-"));
    state = new State({ ...readSettings({}), stateDir: join(root, ".sandbox") });
  });
  afterEach(() => {
    process.env.PATH = PATH;
    rmSync(root, { recursive: true });
  });

  const make = async (name: string): Promise<Certificate> => {
    await authority(state, "ca/ca", "test");
    const extensions = [`subjectAltName=DNS:${name}`];
    return certificate(state, { file: "ca/thing", authority: "ca/ca", subject: "/CN=thing", extensions });
  };

  /** Makes it with an openssl whose output to this file ends at once, as on a full disk. */
  async function failing(name: string, command: string): Promise<void> {
    const script = `#!/bin/sh
[ "$1" = ${command} ] || exec env PATH='${PATH ?? ""}' openssl "$@"
while [ "$1" != -out ]; do shift; done
: > "$2"
exit 1
`;
    writeFileSync(join(root, "openssl"), script, { mode: 0o755 });
    process.env.PATH = `${root}${delimiter}${PATH ?? ""}`;
    await assert.rejects(make(name), /openssl/);
    process.env.PATH = PATH;
  }

  for (const [what, command] of Object.entries({ "an authority": "req", "its certificate": "x509" }))
    it(`if ${what} was left half-written`, async () => {
      await failing("one", command);
      const made = await make("one");
      assert.ok(new X509Certificate(made.certificate).checkPrivateKey(createPrivateKey(made.key)));
    });

  it("with a new key, if its names change, also when that was interrupted", async () => {
    await make("one");
    await failing("two", "x509");
    const { certificate: text, key } = await make("two");
    const made = new X509Certificate(text);
    assert.equal(made.checkHost("two"), "two");
    assert.ok(made.checkPrivateKey(createPrivateKey(key)));
  });
});
