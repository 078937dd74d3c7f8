import assert from "node:assert/strict";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "mocha";
import { openCluster } from "../../../ci/lib/kubeconfig";
import { mask } from "../../../ci/lib/secrets";
import { failsWith } from "./support/job";
import { KUBECONFIG, jobDirectory, kubeconfig } from "./support/stack";

const where = "secret/ci/audit/deploy";
const open = (text: string, context?: string) => openCluster({ values: { KUBECONFIG: text }, where }, context);
const fails = (text: string | undefined, context: string | undefined, message: string) =>
  failsWith(
    Promise.resolve().then(() => openCluster({ values: { KUBECONFIG: text }, where }, context)),
    message,
  );

describe("ci: the login to a cluster", () => {
  const dir = jobDirectory();

  it("from Vault is in a file that only the job can read, until it ends", () => {
    const session = open(KUBECONFIG, "production");
    const file = session.env.KUBECONFIG ?? "";
    assert.deepEqual(Object.keys(session.env), ["KUBECONFIG"]);
    assert.equal(readFileSync(file, "utf8"), `${KUBECONFIG}\n`);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(statSync(join(file, "..")).mode & 0o777, 0o700);
    session.close();
    assert.ok(!existsSync(join(file, "..")));
  });

  it("may be JSON", () => open(JSON.stringify({ contexts: [{ name: "production" }] }), "production").close());

  it("in a variable of type File stays where it is", () => {
    const [one, other] = [join(dir(), "one"), join(dir(), "other")];
    writeFileSync(one, kubeconfig("staging", "token-of-staging"));
    writeFileSync(other, kubeconfig("production", "token-of-production"));
    for (const path of [other, [join(dir(), "none"), one, other].join(delimiter)]) {
      const session = open(path, "production");
      assert.deepEqual(session.env, { KUBECONFIG: path });
      session.close();
      assert.ok(existsSync(other));
    }
    assert.equal(mask("token-of-staging token-of-production"), "[MASKED] [MASKED]");
  });

  it("is masked in its secret parts alone", () => {
    const key = "-----BEGIN EC PRIVATE KEY-----\nline-of-the-key\n-----END EC PRIVATE KEY-----\n";
    const encoded = Buffer.from(key).toString("base64");
    const text = [
      "contexts: [{ name: by-certificate }]",
      "clusters: [{ name: c, cluster: { server: 'https://cluster.example.com:6443' } }]",
      `users:\n  - { name: a, user: { client-certificate-data: of-the-certificate, client-key-data: ${encoded} } }`,
      "  - { name: b, user: { username: admin-of-all, password: password-of-b } }",
      "  - { name: c, user: { exec: { command: get-token, env: [{ name: CLIENT_SECRET, value: secret-of-c }] } } }",
    ].join("\n");
    open(text).close();
    assert.equal(mask(`${encoded} line-of-the-key password-of-b secret-of-c`), "[MASKED] [MASKED] [MASKED] [MASKED]");
    const shown =
      "by-certificate https://cluster.example.com:6443 of-the-certificate admin-of-all get-token CLIENT_SECRET";
    assert.equal(mask(shown), shown);
  });

  it("is demanded, with both places where it can be", () =>
    fails(undefined, "production", "KUBECONFIG: neither a CI variable nor in Vault at secret/ci/audit/deploy"));

  it("must have the stack's context", async () => {
    await fails(
      kubeconfig("staging", "a-token"),
      "production",
      "KUBECONFIG has no context production, which audit:kubeContext names; it has staging",
    );
    await fails(
      "users: []\n",
      "production",
      "KUBECONFIG has no context production, which audit:kubeContext names; it has none",
    );
  });

  it("is refused where it is no kubeconfig, without a word of it", () =>
    fails(
      "a: [token-that-must-not-show\nb: }",
      "production",
      "KUBECONFIG cannot be read: it must be a kubeconfig, in YAML or JSON",
    ));

  it("is refused where its file is not there", () =>
    fails(
      "/builds/no-such-file",
      "production",
      "KUBECONFIG names /builds/no-such-file, and there is no such file; make it a CI variable of type File, or put the file's text into Vault at secret/ci/audit/deploy",
    ));
});
