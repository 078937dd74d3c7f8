import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";

const SCRIPT = join(__dirname, "../../../bootstrap/vm.sh");

/** That it prepares a real VM is shown by test/e2e/95-guide.test.ts. */
describe("the script that prepares the VM", () => {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "vm-"));
    const record = `#!/bin/sh\necho "\${0##*/} $*" >> ${directory}/calls\n`;
    // A user who is there, no group docker, and a Vault that has no key yet.
    const programs = {
      id: "",
      useradd: "",
      usermod: "",
      getent: "exit 2",
      curl: "exit 22",
      systemctl: "",
      install: "",
    };
    for (const [name, end] of Object.entries(programs)) {
      writeFileSync(join(directory, name), `${record}${end}\n`);
      chmodSync(join(directory, name), 0o755);
    }
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const run = (...args: string[]) =>
    spawnSync("sh", [SCRIPT, ...args], {
      encoding: "utf8",
      env: { PATH: [directory, process.env.PATH ?? ""].join(delimiter) },
    });

  it("says what it lacks, and that Vault gives no key, before it touches sshd", () => {
    const { status, stderr } = run("deploy", "https://vault.example.com:8200", "team");
    assert.equal(status, 1);
    assert.match(
      stderr,
      /error: https:\/\/vault\.example\.com:8200\/v1\/team\/ssh\/public_key does not give the key; has bootstrap/,
    );
    const calls = readFileSync(join(directory, "calls"), "utf8").trim().split("\n");
    assert.deepEqual(calls.map((line) => line.split(" ")[0]), ["id", "getent", "curl"]); // prettier-ignore
    assert.deepEqual([run("deploy").status, run().status], [2, 2]);
  });

  it("takes nothing but a key for Vault's, whatever answers there", () => {
    for (const [answer, taken] of [
      ['<a href="/v1/ssh/public_key">Temporary Redirect</a>.', false],
      ["ssh-rsa AAAA", true],
      ["ecdsa-sha2-nistp256 AAAA", true],
    ] as const) {
      writeFileSync(join(directory, "curl"), `#!/bin/sh\necho "curl $*" >> ${directory}/calls\necho '${answer}'\n`);
      const script = readFileSync(SCRIPT, "utf8").replaceAll("/etc/ssh/", `${directory}/`);
      writeFileSync(join(directory, "vm.sh"), script);
      spawnSync("sh", [join(directory, "vm.sh"), "deploy", "https://vault.example.com/"], {
        env: { PATH: [directory, process.env.PATH ?? ""].join(delimiter) },
      });
      const key = join(directory, "vault-ca.pub");
      assert.equal(existsSync(key) && readFileSync(key, "utf8"), taken && `${answer}\n`);
      rmSync(key, { force: true });
    }
    assert.match(
      readFileSync(join(directory, "calls"), "utf8"),
      / https:\/\/vault\.example\.com\/v1\/ssh\/public_key$/m,
    );
  });

  it("asks Vault, and has Docker pull, by a company's own authority that is beside it", () => {
    copyFileSync(SCRIPT, join(directory, "vm.sh"));
    writeFileSync(join(directory, "ca.pem"), "");
    for (const name of ["getent", "mkdir"]) {
      writeFileSync(join(directory, name), `#!/bin/sh\necho "\${0##*/} $*" >> ${directory}/calls\n`);
      chmodSync(join(directory, name), 0o755);
    }
    const env = { PATH: [directory, process.env.PATH ?? ""].join(delimiter), REGISTRY: "harbor.example.com:8443" };
    spawnSync("sh", [join(directory, "vm.sh"), "deploy", "https://vault.example.com"], { env });
    const calls = readFileSync(join(directory, "calls"), "utf8");
    assert.match(calls, /\nmkdir -p \/etc\/docker\/certs\.d\/harbor\.example\.com:8443\ninstall -m 644 ca\.pem \/etc\/docker\/certs\.d\/harbor\.example\.com:8443\/ca\.crt\n/); // prettier-ignore
    const asked = calls.split("\n").filter((line) => line.startsWith("curl ")).map((line) => line.includes("--cacert ca.pem")); // prettier-ignore
    assert.deepEqual(asked, [true, false], "and then by the authorities that the machine knows");
  });
});
