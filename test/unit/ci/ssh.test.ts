import assert from "node:assert/strict";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { describe, it } from "mocha";
import type { Credentials } from "../../../ci/lib/credentials";
import { mask } from "../../../ci/lib/secrets";
import { openSsh } from "../../../ci/lib/ssh";
import { commands, failsWith, jobWith } from "./support/job";
import { jobDirectory } from "./support/stack";

const KEY = "-----BEGIN OPENSSH PRIVATE KEY-----\nline-of-the-ssh-key\n-----END OPENSSH PRIVATE KEY-----";
const HOSTS = "vm2.example.com ssh-ed25519 AAAA\nprometheus.example.com ssh-ed25519 BBBB";

const open = (values: Credentials["values"]) =>
  openSsh(jobWith({ PATH: "/bin" }).job, { values, where: "", vault: {} as Credentials["vault"] }, commands({}).exec);

describe("ci: the login to a VM", () => {
  const dir = jobDirectory();

  /** What the session's files hold. */
  async function written(values: Credentials["values"]) {
    const session = await open(values);
    const at = join((session.env.PATH ?? "").split(delimiter)[0] ?? "", "..");
    const [key, hosts] = ["key", "known_hosts"].map((name) => readFileSync(join(at, name), "utf8"));
    const mode = statSync(join(at, "key")).mode & 0o777;
    await session.close();
    return { key, hosts, mode };
  }
  const right = { key: `${KEY}\n`, hosts: `${HOSTS}\n`, mode: 0o600 };

  it("is by a key in a variable or in Vault, as a form of GitLab leaves it", async () => {
    const asInForm = (text: string) => text.replaceAll("\n", "\r\n");
    assert.deepEqual(await written({ SSH_PRIVATE_KEY: asInForm(KEY), SSH_KNOWN_HOSTS: asInForm(HOSTS) }), right);
  });

  it("is by a key in a variable of type File, and the key is masked, too", async () => {
    const [key, hosts] = [join(dir(), "SSH_PRIVATE_KEY"), join(dir(), "SSH_KNOWN_HOSTS")];
    writeFileSync(key, `${KEY}\n`);
    writeFileSync(hosts, `${HOSTS}\n`);
    assert.deepEqual(await written({ SSH_PRIVATE_KEY: key, SSH_KNOWN_HOSTS: hosts }), right);
    assert.equal(mask("line-of-the-ssh-key"), "[MASKED]");
  });

  it("names the variable that has no key, without its value", async () => {
    const other = join(dir(), "other");
    writeFileSync(other, "no key\n");
    for (const value of ["ssh-ed25519 AAAA", join(dir(), "none"), other])
      await failsWith(
        open({ SSH_PRIVATE_KEY: value }),
        "SSH_PRIVATE_KEY is no private key, whose first line has -----BEGIN; give the key's text, or a CI variable of type File with it",
      );
  });
});
