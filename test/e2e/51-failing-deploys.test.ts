import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { thorough, times } from "../support/depth";
import { deploysUnderLoad, type Change } from "./support/deploys";
import { platform, root, run } from "./support/sandbox";
import { pushVariant } from "./support/variant";

/** Long enough for a working replica, and short enough to wait for a broken one. */
const READY_SECONDS = 12;

/**
 * Deploys that cannot work. Each time the old release keeps serving without losing a request, the message names the
 * cause, and a retry makes nothing worse. The next good deploy needs no manual cleanup.
 */
describe("scenario: deploys that fail, while clients keep sending", function () {
  this.timeout(600_000);
  const { deploys, nothingLost } = deploysUnderLoad();
  /** Options of each attempt's `up`. Two kinds of failure are always tried again, and the others if there is time. */
  const ATTEMPTS = thorough ? [[], ["--refresh"]] : [[]];

  const failsSafely = async (
    change: Change,
    says: readonly RegExp[],
    attempts: readonly string[][] = ATTEMPTS,
    env: NodeJS.ProcessEnv = {},
  ) => {
    const before = await deploys().state();
    for (const options of attempts) {
      const { code, output } = await deploys().up({ readySeconds: READY_SECONDS, ...change }, options, env);
      assert.notEqual(code, 0, output);
      for (const message of says) assert.match(output, message);
      assert.deepEqual(await deploys().state(), before);
    }
    await deploys().serves(before.active);
    if (thorough) await goodDeploy();
    await nothingLost();
  };
  /** The release that serves all the time is deployed again, without a cleanup. */
  const goodDeploy = async () => {
    const { active } = await deploys().state();
    await deploys().mustUp();
    assert.equal((await deploys().state()).active, active);
    await deploys().serves(active);
  };
  /** An image whose `migrate` does nothing and whose service is this shell text. */
  const serviceOf = (name: string, script: string) =>
    pushVariant(deploys().sandbox, name, [
      `ENTRYPOINT ["/bin/sh", "-c", ${JSON.stringify(`[ "$0" = migrate ] && exit 0; ${script}`)}]`,
    ]);

  it("a migration that fails: shows its output", async () => {
    const image = await pushVariant(deploys().sandbox, "bad-migration", [
      'ENTRYPOINT ["/bin/sh", "-c", "echo migration 042 cannot be applied: column is missing >&2; exit 3"]',
    ]);
    await failsSafely({ image }, [/migration 042 cannot be applied/]);
  });

  it("an image that never becomes ready: shows its last log lines", async () => {
    const image = await serviceOf("never-ready", "echo listening to nobody >&2; exec sleep 3600");
    const notReady =
      /is not ready \(within 12 s: http\S+ does not answer 2xx: wget: .*\); slot (blue|green) keeps serving/;
    // The second attempt matters: with the provider's own replacement it would delete the active containers
    // (docs/decisions/0006).
    await failsSafely({ image }, [notReady, /listening to nobody/], [[], [], ["--refresh"]]);
  });

  it("an image that exceeds its memory limit: says so", async () => {
    const image = await serviceOf("out-of-memory", "echo reading everything into memory >&2; exec tail /dev/zero");
    await failsSafely({ image, memory: 64 }, [
      /killed: out of memory at its limit of 64 MiB/,
      /reading everything into memory/,
    ]);
  });

  it("a release that works with another configuration than this deploy's: does not promote it", async () => {
    const image = await pushVariant(deploys().sandbox, "other-configuration", [
      `ENTRYPOINT ["/bin/sh", "-c", ${JSON.stringify(
        '[ "$0" = migrate ] || { (cat $AUDIT_CONFIG_FILE; echo) > /tmp/config.json; export AUDIT_CONFIG_FILE=/tmp/config.json; }; exec node /app/main.js "$0"',
      )}]`,
      'CMD ["serve"]',
    ]);
    // Its replicas must become ready in time, or it would be rejected for that instead.
    await failsSafely({ image, readySeconds: 20 }, [/works with another configuration than the one rendered/], [[]]);
  });

  it("an image that is not in the registry", async () => {
    const image = deploys().original.image.replace(/@.*/, `@sha256:${"0".repeat(64)}`);
    await failsSafely({ image }, [/manifest unknown|not found|unknown/i, /registry\.sandbox\.test:5000/]);
  });

  it("a configuration that nginx rejects: shows nginx's message, and the last good one stays", async () => {
    const nginx = ["exec", "audit-edge-nginx", "sha256sum", "/etc/audit-edge/nginx.conf"];
    const before = await deploys().sandbox.docker(...nginx);
    const mistake = { NODE_OPTIONS: `--require ${join(__dirname, "support/mistaken-route.cjs")}` };
    const says = [/directive "location" has no opening "\{" in \S+\.conf/];
    await failsSafely({ memory: 232 }, says, [[], ["--refresh"]], mistake);
    assert.equal(await deploys().sandbox.docker(...nginx), before);
  });

  it("the next good deploy needs no cleanup by hand", async () => {
    await goodDeploy();
    await nothingLost();
  });

  it("a port on which something else listens: nginx keeps its port", async () => {
    const before = await deploys().containers();
    const says = [/audit-edge-nginx cannot listen on port 22 .*in use/, /audit:edgePort/];
    await failsSafely({ edgePort: 22 }, says);
    assert.deepEqual(await deploys().containers(), before);
  });

  it("addresses that another network of the VM has: everything stays unchanged", async () => {
    const before = await deploys().containers();
    await deploys().sandbox.docker("network", "create", "--internal", "--subnet", "10.99.96.0/24", "another");
    try {
      const says = [/audit-front cannot have 10\.99\.96.*another 10\.99\.96.*audit:networkPrefix/];
      await failsSafely({ networkPrefix: "10.99" }, says);
    } finally {
      await deploys().sandbox.docker("network", "rm", "another");
    }
    assert.deepEqual(await deploys().containers(), before);
  });

  it("a connection to the VM that is lost in the middle", async () => {
    const moments = ["cutover", "migrate", "(blue|green)-1", "guard", "drain"].map((part) => `audit-svc-${part}`);
    for (const [i, moment] of moments.slice(0, times(1, moments.length)).entries()) {
      // An image that was deployed before needs no migration.
      const change: Change =
        moment === "audit-svc-migrate"
          ? { image: await pushVariant(deploys().sandbox, "connection-lost", ["LABEL test=connection-lost"]) }
          : { memory: 208 + i };
      const before = await deploys().state();
      const { code, output } = await upUntil(change, new RegExp(`${moment}\\s+(creat|updat|replac)`));
      assert.notEqual(code, 0, output);
      assert.match(output, /ssh|connection|exit status 255|exit code 255/i);
      assert.deepEqual(await deploys().state(), before);
      const again = await deploys().up(change, ["--refresh"]);
      assert.equal(again.code, 0, again.output);
      assert.notEqual((await deploys().state()).active, before.active);
    }
    await nothingLost();
  });

  it("leaves nothing behind that a deploy would have to repair", async () => {
    await deploys().mustUp();
    const { code, output } = await deploys().sandbox.pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
    await nothingLost();
  });

  /**
   * Deploys, and disconnects the VM's sshd from the network, with all its connections, at a given moment of the deploy.
   */
  async function upUntil(change: Change, moment: RegExp): Promise<{ code: number; output: string }> {
    const child = spawn("pulumi", ["up", "--yes", "--skip-preview", "--non-interactive", "--color", "never"], {
      cwd: root,
      env: deploys().env(change),
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let cut: Promise<unknown> | undefined;
    const read = (chunk: Buffer) => {
      output += chunk.toString();
      if (moment.test(output)) cut ??= ssh("--insert");
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    try {
      const code = await new Promise<number>((done) => child.on("exit", (status) => done(status ?? 1)));
      assert.ok(cut !== undefined, `the deploy never came to ${moment.source}:\n${output}`);
      return { code, output };
    } finally {
      await cut;
      if (cut !== undefined) await ssh("--delete");
    }
  }

  async function ssh(rule: "--insert" | "--delete"): Promise<void> {
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    const reset = ["INPUT", "--protocol", "tcp", "--dport", "22", "--jump", "REJECT", "--reject-with", "tcp-reset"];
    const { code, output } = await run(["docker", "exec", platform("vm2"), "iptables", rule, ...reset], {
      ...process.env,
      DOCKER_HOST: engineHost,
    });
    assert.equal(code, 0, output);
  }
});
