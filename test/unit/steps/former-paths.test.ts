import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";

/**
 * Delete commands in the state of a stack from an earlier version, which also run if it is destroyed without another
 * deploy.
 */
describe("programs at the paths of earlier versions", function () {
  this.timeout(30_000);

  function program(args: readonly string[], env: Record<string, string>): { status: number | null; output: string } {
    const { status, stdout, stderr } = spawnSync(process.execPath, ["--require", "tsx/cjs", ...args], {
      env: { PATH: process.env.PATH, ...env },
      encoding: "utf8",
    });
    return { status, output: stdout + stderr };
  }

  it("revoke the logins that Vault has created", () => {
    const { status, output } = program(["vault-agent/revoke-leases.ts"], {});
    assert.equal(output, "AUDIT_LEASES is not set; this program is run by a component of the stack\n");
    assert.equal(status, 1);
  });

  it("make Prometheus drop the rules", () => {
    const { status, output } = program(["tools/load-rules.ts", "--forget"], { PROMETHEUS_URL: "http://127.0.0.1:1" });
    assert.match(output, /^Prometheus keeps the alert rules until it is reloaded: /);
    assert.equal(status, 0);
  });
});
