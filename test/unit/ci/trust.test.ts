import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";
import { parse } from "yaml";
import { verifiedBackend } from "../../../ci/lib/backend";
import { Authority } from "../support/authority";

const root = resolve(__dirname, "../../..");

describe("ci: private authorities", () => {
  const directory = mkdtempSync(join(tmpdir(), "trust-"));
  let authority: Authority;
  let server: Server;
  let url: string;

  before(async () => {
    authority = new Authority(directory);
    server = createServer(authority.issue("IP:127.0.0.1"), (_request, response) => response.end("trusted"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  after(() => {
    server.close();
    rmSync(directory, { recursive: true });
  });

  /** A job in the directory, which sources the file and then runs a line. */
  async function job(line: string, env: Record<string, string>): Promise<{ code: number; output: string }> {
    const child = spawn("sh", ["-euc", `. ${root}/ci/trust.sh\n${line}`], {
      cwd: directory,
      env: { PATH: process.env.PATH, URL: url, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    const closed = once(child, "close") as Promise<[number]>;
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), closed]);
    return { code, output: stdout + stderr };
  }
  const byNode = `node -e 'fetch(process.env.URL).then((r) => r.text()).then(console.log, (e) => console.log(e.cause.code))'`;
  const byCurl = `curl -sS "$URL"; echo`;

  it("are trusted by Node, and by programs with their own file, in addition to the public ones", async () => {
    const given = { AUDIT_CA_FILE: "ca.pem" };
    assert.deepEqual(await job(byNode, given), { code: 0, output: "trusted\n" });
    assert.deepEqual(await job(byCurl, given), { code: 0, output: "trusted\n" });
    const count = `for file in "$SSL_CERT_FILE" "$GIT_SSL_CAINFO"; do grep -c 'BEGIN CERT' "$file"; done`;
    const { output } = await job(count, given);
    for (const number of output.trim().split("\n")) assert.ok(Number(number) > 50, output);
  });

  it("are in a file that apt can read, which fetches as a user of its own", async () => {
    const mode = `stat -c %a "$SSL_CERT_FILE"`;
    assert.deepEqual(await job(mode, { AUDIT_CA_FILE: "ca.pem" }), { code: 0, output: "644\n" });
  });

  it("are those of the stack if the job names none", async () => {
    for (const line of ["audit:caFile: ca.pem", 'audit:caFile: "ca.pem" # ours']) {
      writeFileSync(join(directory, "Pulumi.vm9.yaml"), `config:\n  audit:environment: vm9\n  ${line}\n`);
      assert.deepEqual(await job(byNode, { AUDIT_STACK: "vm9" }), { code: 0, output: "trusted\n" }, line);
    }
  });

  it("are read from the stack's file as YAML has them", async () => {
    const named = async (text: string) => {
      writeFileSync(join(directory, "Pulumi.vm9.yaml"), text);
      return (await job('echo "${NODE_EXTRA_CA_CERTS-unset}"', { AUDIT_STACK: "vm9" })).output;
    };
    mkdirSync(join(directory, "my certs"));
    for (const name of ["my certs/ca.pem", "ca#1.pem", "it's.pem"]) writeFileSync(join(directory, name), authority.pem);
    const cases: [line: string, file: string][] = [
      ['audit:caFile: "my certs/ca.pem" # ours', "my certs/ca.pem"],
      ["audit:caFile: 'my certs/ca.pem'", "my certs/ca.pem"],
      ["audit:caFile:  my certs/ca.pem  # ours", "my certs/ca.pem"],
      ["audit:caFile: ca.pem \t ", "ca.pem"],
      ["audit:caFile: ca#1.pem", "ca#1.pem"],
      ['audit:caFile: "ca#1.pem"', "ca#1.pem"],
      ["audit:caFile: it's.pem", "it's.pem"],
      ['"audit:caFile": ca.pem', "ca.pem"],
      [`'audit:caFile' : "ca.pem"`, "ca.pem"],
      ["audit:caFile: # none yet", ""],
      ['audit:caFile: ""', ""],
      ["# audit:caFile: ca.pem", ""],
      ["audit:caFiles: ca.pem", ""],
    ];
    for (const [line, file] of cases)
      for (const end of ["\n", "\r\n"]) {
        const text = ["config:", "  audit:environment: vm9", `  ${line}`, "  audit:replicas: 2", ""].join(end);
        const { config } = parse(text) as { config: Record<string, string | null> };
        assert.equal(config["audit:caFile"] ?? "", file, line);
        assert.equal(await named(text), `${file === "" ? "unset" : join(directory, file)}\n`, line);
      }
  });

  it("are none by default", async () => {
    assert.match((await job(byNode, {})).output, /UNABLE_TO_VERIFY_LEAF_SIGNATURE/);
    assert.deepEqual(await job("echo ${NODE_EXTRA_CA_CERTS-unset} ${SSL_CERT_FILE-unset}", {}), {
      code: 0,
      output: "unset unset\n",
    });
  });

  it("end the job when their file is missing", async () => {
    const { code, output } = await job("echo went on", { AUDIT_CA_FILE: "none.pem" });
    assert.equal(code, 1);
    assert.match(output, /^error: \S+\/none\.pem cannot be read; set AUDIT_CA_FILE, or audit:caFile of the stack, to/);
    assert.doesNotMatch(output, /went on/);
  });

  it("are named before any job does anything else", () => {
    const files = [".gitlab-ci.yml", ...readdirSync(join(root, "ci")).filter((name) => name.endsWith(".yml")).map((name) => `ci/${name}`)]; // prettier-ignore
    const first = files.flatMap((file) =>
      Object.entries(parse(readFileSync(join(root, file), "utf8")) as Record<string, { before_script?: string[] }>)
        .filter(([, { before_script }]) => before_script !== undefined)
        .map(([name, { before_script }]) => [name, before_script?.[0]]),
    );
    assert.ok(first.length >= 4);
    for (const [name, line] of first) assert.equal(line, ". ci/trust.sh", name);
  });
});

describe("ci: the address of the state", () => {
  const cases: [string, string][] = [
    ["postgres://state:p%2F@db/state", "postgres://state:p%2F@db/state?sslmode=verify-full"],
    ["postgresql://db/state?table=t", "postgresql://db/state?table=t&sslmode=verify-full"],
    ["postgres://db/state?sslmode=require", "postgres://db/state?sslmode=require"],
    ["file:///state", "file:///state"],
  ];
  for (const [given, used] of cases) {
    it(`is ${used}`, () => assert.equal(verifiedBackend(given), used));
  }

  it("is refused, without repeating it, when its password makes it unparsable: the CLI would print an unmasked part", () => {
    for (const password of ["SECRET/1", "SECRET?1", "SECRET#1", "1#SECRET", "1/SECRET"]) {
      for (const mode of ["", "?sslmode=require"]) {
        assert.throws(() => verifiedBackend(`postgres://state:${password}@db/state${mode}`), {
          message:
            "PULUMI_BACKEND_URL cannot be read as an address; write / ? # @ : % in its password as %2F %3F %23 %40 %3A %25",
        });
      }
    }
  });
});
