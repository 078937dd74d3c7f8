import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join, resolve } from "node:path";
import { nodeEnvironment } from "../../../lib/certificate-authority";
import { PROXY_VARIABLES, wrongProxy } from "../../../lib/proxy";
import { UserError } from "../../../lib/user-error";

const root = resolve(__dirname, "../../..");

const READABLE = [
  "http://proxy.example.com:3128",
  "http://proxy.example.com:3128/",
  "http://proxy.example.com",
  "https://user@proxy.example.com:443",
  "http://user:SEC%2FRET%25@proxy.example.com:3128",
  // Node takes the last @.
  "http://user:SEC@RET@proxy.example.com:3128",
  "http://[::1]:3128",
  "http://[::1]",
  "socks5://proxy.example.com:1080",
];

const UNREADABLE = [
  "proxy.example.com:3128",
  "user:SECRET@proxy.example.com:3128",
  "ftp://proxy.example.com:3128",
  "http://",
  "http://user:SECRET@",
  "http://user:SECRET@:3128",
  ...["/", "?", "#", "\\"].map((character) => `http://user:SEC${character}RET@proxy.example.com:3128`),
  // Reads as a host named `user` and its port.
  "http://user:12/SECRET@proxy.example.com:3128",
  "http://proxy.example.com:3128/path",
  "http://user:SECRET@proxy.example.com:99999",
  "http://user:SECRET@proxy.example.com:31x8",
  "http://proxy:example:3128",
  ...["%", "%4", "%zz", "%2x"].map((escape) => `http://user:SECRET${escape}@proxy.example.com:3128`),
  "http://user:SECRET@proxy.example.com:3128\n",
];

const message = (name: string) =>
  `${name} is no address of a proxy that Node can read; write it as http://user:password@host:port, with special characters of the password percent-encoded, such as %2F for / and %25 for %`;

/** What the file that every job sources says of its environment. */
function inJob(env: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync("sh", ["-euc", `. ${join(root, "ci/trust.sh")}; echo went on`], {
    cwd: "/",
    env: { PATH: process.env.PATH, ...env },
    encoding: "utf8",
  });
  return { status, output: stdout + stderr };
}

describe("the address of a proxy", () => {
  for (const value of READABLE)
    it(`may be ${value}`, () => {
      assert.equal(wrongProxy({ HTTPS_PROXY: value }), undefined);
      assert.deepEqual(inJob({ HTTPS_PROXY: value }), { status: 0, output: "went on\n" });
    });

  for (const value of UNREADABLE)
    it(`cannot be ${JSON.stringify(value)}, and the message does not repeat it`, () => {
      assert.equal(wrongProxy({ HTTPS_PROXY: value }), message("HTTPS_PROXY"));
      assert.deepEqual(inJob({ HTTPS_PROXY: value }), { status: 1, output: `error: ${message("HTTPS_PROXY")}\n` });
    });

  it("is checked in each of the four variables; an empty one counts as not set", () => {
    for (const name of PROXY_VARIABLES) {
      const others = Object.fromEntries(PROXY_VARIABLES.map((other) => [other, ""]));
      assert.equal(wrongProxy({ ...others, [name]: "proxy:3128" }), message(name));
      assert.deepEqual(inJob({ ...others, [name]: "proxy:3128" }), { status: 1, output: `error: ${message(name)}\n` });
    }
    assert.equal(wrongProxy({ HTTPS_PROXY: "" }), undefined);
  });

  it("ends a deploy before a program of its steps would end with a trace", () => {
    const before = process.env.https_proxy;
    process.env.https_proxy = "proxy:3128";
    try {
      assert.throws(() => nodeEnvironment(undefined), new UserError(message("https_proxy")));
    } finally {
      if (before === undefined) delete process.env.https_proxy;
      else process.env.https_proxy = before;
    }
  });

  it("ends the command audit in one line, before it starts Node again", function () {
    this.timeout(30_000);
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [join(root, "cli/audit.mjs"), ...args], {
        cwd: root,
        env: { PATH: process.env.PATH, HTTPS_PROXY: "http://user:SEC/RET@proxy:3128" },
        encoding: "utf8",
      });
    const { status, stdout, stderr } = run("--help");
    assert.deepEqual(
      { status, stdout, stderr },
      { status: 1, stdout: "", stderr: `error: ${message("HTTPS_PROXY")}\n` },
    );
    assert.deepEqual(JSON.parse(run("status", "--json").stdout), { error: message("HTTPS_PROXY") });
  });
});
