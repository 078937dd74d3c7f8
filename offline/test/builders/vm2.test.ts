import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { execa } from "execa";
import { platformImage } from "../support/scratch-container.js";

/** The machine in a container behaves as a machine: what ran before a crash or a restart runs again after it. */
describe("VM2's image", function () {
  this.timeout(180_000);
  const name = `audit-scratch-vm2-${randomBytes(4).toString("hex")}`;
  const inside = (...command: string[]) => execa("docker", ["exec", name, ...command], { reject: false });

  /** Waits until a command inside succeeds and gives its output. */
  async function until(what: string, holds: (output: string) => boolean, ...command: string[]): Promise<string> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      const result = await inside(...command);
      if (result.exitCode === 0 && holds(result.stdout)) return result.stdout;
      if (Date.now() > deadline) {
        const { all } = await execa("docker", ["logs", "--tail", "50", name], { all: true, reject: false });
        throw new Error(`${what} within 60 s: ${result.stderr}\n${all}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
  const engine = (): Promise<string> => until("no engine", (text) => text !== "", "docker", "info", "-f", "{{.ID}}");
  const startedAt = (): Promise<string> =>
    until(
      "not running",
      (text) => text.startsWith("true "),
      "docker",
      "inspect",
      "-f",
      "{{.State.Running}} {{.State.StartedAt}}",
      "box",
    );

  before(async () => {
    const security = ["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"];
    const capabilities = ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"];
    await execa("docker", [
      ...[
        "run",
        "--detach",
        "--name",
        name,
        "--volume",
        "/var/lib/docker",
        "--volume",
        "/sys/fs/cgroup:/sys/fs/cgroup:rw",
      ],
      ...security.flatMap((option) => ["--security-opt", option]),
      ...capabilities.flatMap((capability) => ["--cap-add", capability]),
      await platformImage("vm2"),
    ]);
    await engine();
    // An image of one program and its libraries, made inside: nothing has to be loaded into the nested engine.
    const script =
      "for file in /usr/bin/sleep $(ldd /usr/bin/sleep | grep -o '/[^ ]*'); do cp -L --parents $file /box; done" +
      " && tar -C /box -c . | docker import - box";
    const made = await inside("bash", "-ec", `mkdir /box; ${script}`);
    assert.equal(made.exitCode, 0, made.stderr);
    const options = ["--detach", "--name", "box", "--restart", "unless-stopped", "--stop-timeout", "1"];
    const run = await inside("docker", "run", ...options, "box", "/usr/bin/sleep", "infinity");
    assert.equal(run.exitCode, 0, run.stderr);
  });

  after(async () => {
    await execa("docker", ["rm", "--force", "--volumes", name], { reject: false });
  });

  it("lets deploy alone in, by key alone", async () => {
    const settings = (await inside("sshd", "-T")).stdout.split("\n");
    for (const line of [
      "allowusers deploy",
      "permitrootlogin no",
      "passwordauthentication no",
      "kbdinteractiveauthentication no",
    ]) {
      assert.ok(settings.includes(line), `sshd does not have "${line}"`);
    }
    assert.match((await inside("id", "deploy")).stdout, /^uid=2000\(deploy\).*\(docker\)/);
  });

  it("brings its containers back when its engine was killed", async () => {
    const before = await startedAt();
    await inside("pkill", "-KILL", "-x", "dockerd");
    await until("no new engine", (text) => text !== "", "docker", "info", "-f", "{{.ID}}");
    assert.notEqual(await startedAt(), before);
  });

  it("brings them back after a restart and after a power cut", async () => {
    for (const end of [["restart"], ["kill"]]) {
      const before = await startedAt();
      await execa("docker", [...end, name]);
      if (end[0] === "kill") await execa("docker", ["start", name]);
      await engine();
      assert.notEqual(await startedAt(), before, `after ${end[0]}`);
    }
  });

  it("stops in time when it is asked to", async () => {
    await execa("docker", ["stop", "--time", "30", name]);
    const { stdout } = await execa("docker", ["inspect", "--format", "{{.State.ExitCode}}", name]);
    assert.equal(stdout, "0");
  });
});
