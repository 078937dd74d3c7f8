import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { attached, platform, root, run, sandbox as cli, until, type Ran } from "./support/sandbox";

/** Each of these ends with a non-zero exit and one message that names the cause and the cure. */
describe("scenario: bad input", () => {
  const sandbox = attached();

  it("reports a wrong key of the stack's configuration and changes nothing", async () => {
    await sandbox().mustPulumi("config", "set", "audit:edgeport", "8080");
    try {
      const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"]);
      assert.notEqual(code, 0);
      assert.match(output, /audit:edgeport is not a setting of this program; did you mean audit:edgePort\?/);
      noTrace(output);
    } finally {
      await sandbox().mustPulumi("config", "rm", "audit:edgeport");
    }
    await unharmed();
  });

  it("reports every mistake of the configuration at once", async () => {
    await sandbox().mustPulumi("config", "set", "audit:replicas", "99");
    await sandbox().mustPulumi("config", "set", "audit:serviceUrl", "nowhere");
    try {
      const { code, output } = await sandbox().pulumi(["preview"]);
      assert.notEqual(code, 0);
      assert.match(output, /audit:replicas must be from 1 to 16/);
      assert.match(output, /audit:serviceUrl must be http:\/\/ or https:\/\//);
      noTrace(output);
    } finally {
      // Not `config rm`: these keys are needed, and `make up` would write them only the next time.
      await sandbox().mustPulumi("config", "set", "audit:serviceUrl", sandbox().get("AUDIT_URL"));
      await sandbox().mustPulumi("config", "rm", "audit:replicas");
    }
  });

  it("reports a value of the wrong type", async () => {
    await sandbox().mustPulumi("config", "set", "audit:replicas", "many");
    try {
      const { code, output } = await sandbox().pulumi(["preview"]);
      assert.notEqual(code, 0);
      assert.match(output, /replicas' must be of type 'integer'/);
      noTrace(output);
    } finally {
      await sandbox().mustPulumi("config", "rm", "audit:replicas");
    }
  });

  it("reports a wrong registry password when an image has to be pulled", async () => {
    const file = sandbox().get("PULUMI_OPTION_CONFIG_FILE");
    const right = /audit:exporterImage: (\S+)/.exec(readFileSync(file, "utf8"))?.[1] ?? "";
    const other = right.replace(/@sha256:.*/, `@sha256:${"0".repeat(64)}`);
    await sandbox().mustPulumi("config", "set", "audit:exporterImage", other);
    try {
      const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview"], {
        AUDIT_REGISTRY_PASSWORD: "wrong",
      });
      assert.notEqual(code, 0);
      assert.match(output, /unauthorized|authentication required|no basic auth/i);
      assert.match(output, /registry\.sandbox\.test:5000/);
    } finally {
      await sandbox().mustPulumi("config", "set", "audit:exporterImage", right);
    }
    await sandbox().mustPulumi("up", "--yes", "--skip-preview");
    await unharmed();
  });

  it("reports a sealed Vault, and `make up` unseals it", async () => {
    const keys = JSON.parse(readFileSync(join(root, ".sandbox/vault.json"), "utf8")) as { rootToken: string };
    await sandbox().vault("POST", "sys/seal", {}, keys.rootToken);
    const { code, output } = await sandbox().pulumi(["preview"]);
    const mended = await cli(["up", "--platform"]);
    assert.notEqual(code, 0);
    assert.match(output, /Vault is sealed/);
    assert.equal(mended.code, 0, mended.output);
    await unharmed();
  });

  it("reports a VM that cannot be reached, and `make up` starts it again", async () => {
    const onHere = { ...process.env, DOCKER_HOST: undefined };
    assert.equal((await run(["docker", "stop", platform("vm2")], onHere)).code, 0);
    const { code, output } = await sandbox().pulumi(["preview", "--refresh"]);
    const mended = await cli(["up", "--platform"]);
    assert.notEqual(code, 0);
    assert.match(output, /127\.0\.0\.1|ssh/);
    assert.equal(mended.code, 0, mended.output);
    // Its containers start by themselves, as after a reboot.
    await until("the service answers again", 90, async () =>
      (await sandbox().edge("/healthz")).status === 200 ? true : undefined,
    );
    await unharmed();
    // Docker reports some properties only after a restart; a deploy with --refresh must not treat them as a change.
    const refreshed = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(refreshed.code, 0, refreshed.output);
  });

  it("refuses a port that another program has", async () => {
    const server = await listen(28_090);
    try {
      const result = await cli(["up"], { ...process.env, SANDBOX_PORT_BASE: "28000" });
      refused(result, /Port 28090 of 127\.0\.0\.1 is in use by another program\. .*SANDBOX_PORT_BASE=/);
    } finally {
      server.close();
    }
  });

  it("refuses settings that make no sense", async () => {
    refused(
      await cli(["up"], { ...process.env, SANDBOX_PORT_BASE: "eighty" }),
      /SANDBOX_PORT_BASE=eighty is not a usable port base/,
    );
    refused(await cli(["up"], { ...process.env, SANDBOX_SUBNET: "10.0" }), /SANDBOX_SUBNET=10\.0 is not/);
    refused(await cli(["upp"]), /Unknown command upp/);
  });

  it("lets one command at a time work on the sandbox", async () => {
    // Both begin at the same time; a whole `up` takes longer than the difference between their starts.
    const both = await Promise.all([cli(["up"]), cli(["up"])]);
    const [winner, loser] = both.sort((a, b) => a.code - b.code);
    assert.equal(winner?.code, 0, winner?.output);
    assert.ok(loser);
    refused(loser, /The sandbox is in use: `make up` \(process \d+\) works on it since/);
  });

  /** Asserts that the service keeps serving and the program finds nothing to do. */
  async function unharmed(): Promise<void> {
    assert.equal((await sandbox().edge("/healthz")).status, 200);
    const { code, output } = await sandbox().pulumi(["preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  }
});

function noTrace(output: string): void {
  assert.doesNotMatch(output, /^\s+at .*:\d+:\d+\)?$/m, "a user's mistake is shown with a stack trace");
}

function refused({ code, output }: Ran, message: RegExp): void {
  assert.notEqual(code, 0, output);
  assert.match(output, message);
  assert.equal(output.match(/^Error: /gm)?.length, 1, `not one message:\n${output}`);
  noTrace(output);
}

function listen(port: number): Promise<Server> {
  return new Promise((done, fail) => {
    const server = createServer().once("error", fail);
    server.listen(port, "127.0.0.1", () => done(server));
  });
}
