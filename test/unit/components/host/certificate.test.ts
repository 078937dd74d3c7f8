import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock, fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

describe("the scripts of the edge's certificate", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "certificate-"))));
  afterEach(() => rmSync(directory, { recursive: true }));

  describe("the copy", () => {
    const execute = (input: string) => {
      fakeProgram(directory, "chown", `echo "$*" >> ${at("chowned")}`);
      mkdirSync(at("tls"), { recursive: true });
      return runScript("copy-certificate.sh", [at("tls"), 101, "edge.pem", "certificate.prom"], { directory, input });
    };
    const chain = "-----BEGIN CERTIFICATE-----\nMII\n-----END CERTIFICATE-----\n";

    it("splits metrics and certificate, and lets one group read both", () => {
      const { status, stderr } = execute(`# HELP end\nend 1\n-----certificate-----\n${chain}key\n`);
      assert.deepEqual([status, stderr], [0, ""]);
      assert.equal(readFileSync(at("tls/certificate.prom"), "utf8"), "# HELP end\nend 1\n");
      assert.equal(readFileSync(at("tls/edge.pem"), "utf8"), `${chain}key\n`);
      for (const name of ["edge.pem", "certificate.prom"])
        assert.equal(statSync(at(`tls/${name}`)).mode & 0o777, 0o440, name);
      assert.deepEqual(readdirSync(at("tls")).sort(), ["certificate.prom", "edge.pem"]);
      assert.deepEqual(
        readFileSync(at("chowned"), "utf8").trim().split("\n"),
        ["edge.pem", "certificate.prom"].map((name) => `0:101 ${at("tls")}/.${name}`),
      );
    });

    it("leaves no copy of the key behind, and replaces a read-only file", () => {
      execute(`one\n-----certificate-----\n${chain}`);
      assert.equal(execute(`two\n-----certificate-----\n${chain}`).status, 0);
      assert.equal(readFileSync(at("tls/certificate.prom"), "utf8"), "two\n");
      assert.deepEqual(readdirSync(directory).sort(), ["chown", "chowned", "tls"]);
    });

    it("keeps the old files when no certificate comes", () => {
      execute(`one\n-----certificate-----\n${chain}`);
      assert.notEqual(execute("two\n").status, 0);
      assert.equal(readFileSync(at("tls/edge.pem"), "utf8"), chain);
    });
  });

  describe("the wait", () => {
    /** An agent that has the file from the nth check on. */
    const wait = (from: number, kind: "name" | "address" = "name") => {
      fakeClock(directory);
      writeFileSync(at("looks"), "");
      fakeProgram(
        directory,
        "docker",
        `case "$1" in
  exec) echo "$*" >> ${at("looks")}; [ "$(wc -l < ${at("looks")})" -ge ${from} ] ;;
  logs) echo "permission denied" ;;
esac`,
      );
      const role = kind === "address" ? ["audit:tlsPkiRole"] : [];
      return runScript("wait-certificate.sh", ["agent", "/run/tls/edge.pem", kind, ...role], { directory });
    };

    it("is over when the agent has it", () => {
      assert.deepEqual(wait(3), { status: 0, stdout: "", stderr: "" });
      assert.equal(readFileSync(at("looks"), "utf8"), "exec agent test -s /run/tls/edge.pem\n".repeat(3));
    });

    it("fails after a minute with the agent's last lines", () => {
      assert.deepEqual(wait(1000), {
        status: 1,
        stdout: "",
        stderr: "permission denied\nVault has issued no certificate within 60 s; the last lines of agent are above\n",
      });
    });

    it("says what the role needs for an address", () => {
      assert.match(
        wait(1000, "address").stderr,
        /are above; for an address the role of audit:tlsPkiRole needs allow_ip_sans=true and require_cn=false\n$/,
      );
    });
  });
});
