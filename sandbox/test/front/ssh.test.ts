import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { configureSsh, keyPair } from "../../src/platform/vm2.js";
import { readSettings, type Settings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("ssh to VM2", () => {
  const { XDG_RUNTIME_DIR } = process.env;
  let dir: string;
  let state: State;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), "ssh-"));
    process.env.XDG_RUNTIME_DIR = dir;
    const root = join(dir, "my [2nd] copy.of%2Fit's");
    const settings: Settings = { ...readSettings({}), root, stateDir: join(root, ".sandbox") };
    state = new State(settings);
    // Nobody listens there.
    configureSsh({ ...settings, ports: { ...settings.ports, ssh: 1 } }, state, "ssh-ed25519 AAAA vm2");
  });
  afterEach(() => {
    if (XDG_RUNTIME_DIR === undefined) delete process.env.XDG_RUNTIME_DIR;
    else process.env.XDG_RUNTIME_DIR = XDG_RUNTIME_DIR;
    rmSync(dir, { recursive: true });
  });

  const ssh = (...path: string[]) =>
    spawnSync(state.path("bin/ssh"), ["vm2", "true"], {
      encoding: "utf8",
      env: { PATH: [...path, process.env.PATH].join(delimiter) },
      timeout: 10_000,
    });

  it("is the ssh that follows in PATH, whatever the checkout's path", () => {
    mkdirSync(join(dir, "theirs"));
    writeFileSync(join(dir, "theirs/ssh"), '#!/bin/sh\nprintf "%s\\n" "$@"\n', { mode: 0o755 });
    const { stdout } = ssh(state.path("bin"), join(dir, "theirs"));
    assert.deepEqual(stdout.trim().split("\n"), ["-F", state.path("ssh/config"), "vm2", "true"]);
  });

  it("reads its configuration, whatever the checkout's path", () => {
    assert.match(ssh(state.path("bin")).stderr, /connect to host 127\.0\.0\.1 port 1: Connection refused/);
  });

  it("has keys that stay, and new ones if a full disk has left a file empty", async () => {
    const made = await keyPair(state, "ssh/id_ed25519", "sandbox");
    assert.deepEqual(await keyPair(state, "ssh/id_ed25519", "sandbox"), made);
    writeFileSync(state.path("ssh/id_ed25519.pub"), "");
    assert.match((await keyPair(state, "ssh/id_ed25519", "sandbox")).publicKey, /^ssh-ed25519 \S+ sandbox\n$/);
  });
});
