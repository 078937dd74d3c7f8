import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkMachine } from "../../src/checks.js";
import { diagnostics } from "../../src/pulumi.js";
import { readSettings } from "../../src/settings.js";
import { UserError } from "../../src/user-error.js";

describe("the machine's checks", () => {
  it("refuse a disk that is full, saying how much is free and how much is needed", async () => {
    const full = () => Promise.resolve({ bavail: 512, bsize: 1024 * 1024 });
    await assert.rejects(checkMachine(readSettings({}), true, full), (error) => {
      assert.ok(UserError.is(error));
      assert.match(error.message, /^Only 0\.5 GB are free on the disk of .*; the sandbox needs 8 GB\. Free some space/);
      return true;
    });
    await assert.rejects(checkMachine(readSettings({}), false, full), /needs 1 GB/);
  });

  it("name the package when ssh is missing", async () => {
    const empty = mkdtempSync(join(tmpdir(), "path-"));
    const path = process.env.PATH;
    const room = () => Promise.resolve({ bavail: 1e6, bsize: 1024 * 1024 });
    try {
      process.env.PATH = empty;
      await assert.rejects(checkMachine(readSettings({}), false, room), /`ssh` is not installed.*openssh-client/);
    } finally {
      process.env.PATH = path;
      rmSync(empty, { recursive: true });
    }
  });
});

describe("settings", () => {
  it("put every port above the base", () => {
    assert.deepEqual(readSettings({ SANDBOX_PORT_BASE: "20000" }).ports, {
      edge: 20080,
      edgeTls: 20043,
      ssh: 20022,
      postgres: 20032,
      vault: 20020,
      registry: 20050,
      prometheus: 20090,
      grafana: 20030,
    });
  });

  for (const base of ["", "80", "65500", "1e4", "eighty"]) {
    it(`refuse SANDBOX_PORT_BASE=${base}`, () => {
      assert.throws(() => readSettings({ SANDBOX_PORT_BASE: base }), /is not a usable port base\. Give a whole number/);
    });
  }
  for (const subnet of ["", "10.0", "10.0.0.0", "10.0.256", "a.b.c"]) {
    it(`refuse SANDBOX_SUBNET=${subnet}`, () => {
      assert.throws(() => readSettings({ SANDBOX_SUBNET: subnet }), /is not the first three octets/);
    });
  }
});

describe("Pulumi's output, shortened to its diagnostics", () => {
  it("leaves out the list of resources and the summary", () => {
    const output = [
      "Updating (sandbox):",
      " +  docker:index:Container web **creating failed** 1 error",
      "Diagnostics:",
      "  docker:index:Container (web):",
      "    error: no such image",
      "",
      "Resources:",
      "    1 errored",
      "Duration: 2s",
    ].join("\n");
    assert.equal(diagnostics(output), "  docker:index:Container (web):\n    error: no such image");
  });

  it("shows the last lines when there are none", () => {
    assert.equal(diagnostics("error: Vault is sealed\n"), "error: Vault is sealed");
  });
});
