import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PulumiProject } from "./pulumi-project.js";

const program = `
import * as pulumi from "@pulumi/pulumi";
import { local, remote } from "@pulumi/command";
import { RandomPassword } from "@pulumi/random";

const config = new pulumi.Config();
const mode = config.get("mode");
if (mode === "tell") throw new pulumi.RunError("the program says no");
if (mode === "exit") process.exit(7);
const password = new RandomPassword("password", { length: 20, special: false, keepers: { k: config.get("keeper") ?? "1" } });
const command = new local.Command("command", {
  create: "printf %s \\"\${#PASSWORD}\\" && echo run >> log",
  delete: "echo gone >> log",
  environment: { PASSWORD: password.result },
  dir: __dirname,
  logging: "none",
});
if (mode === "remote") new remote.Command("far", { connection: { host: "h" } });
if (mode === "slow") new local.Command("slow", { create: "echo $$ > pid; exec sleep 600", dir: __dirname });
export const length = command.stdout;
export const secret = password.result;
`;

/** Processes whose executable text or arguments lie in a directory. */
function processesOf(directory: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, "utf8");
        return command.includes(directory) || readlinkSync(`/proc/${pid}/cwd`).startsWith(directory);
      } catch {
        return false; // it has ended meanwhile
      }
    })
    .map(Number);
}

async function until(what: string, condition: () => boolean, milliseconds = 60_000): Promise<void> {
  const deadline = Date.now() + milliseconds;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`waited ${milliseconds} ms for ${what}`);
    await delay(100);
  }
}

describe("the real CLI with the language host and the stand-ins", function () {
  this.timeout(240_000);
  let project: PulumiProject;
  before(async () => {
    project = await PulumiProject.make(program);
  });
  after(() => project.remove());
  const log = () => readFile(join(project.directory, "log"), "utf8");

  it("previews without touching anything", async () => {
    const output = await project.run("preview");
    assert.match(output, /\+ 3 to create/);
    assert.match(output, /secret: \[unknown\]|secret: output<string>|secret: \[secret\]/);
    assert.equal(existsSync(join(project.directory, "log")), false);
  });

  it("deploys, and a second up changes nothing", async () => {
    assert.match(await project.run("up", "--yes", "--skip-preview"), /\+ 3 created/);
    const again = await project.run("up", "--yes", "--skip-preview", "--diff");
    assert.match(again, /3 unchanged/);
    assert.equal(await log(), "run\n");
    const { length, secret } = JSON.parse(await project.run("stack", "output", "--json", "--show-secrets")) as {
      length: string;
      secret: string;
    };
    assert.equal(length, "20");
    assert.match(secret, /^[A-Za-z0-9]{20}$/);
    assert.doesNotMatch(again, new RegExp(secret), "shown in the output");
    assert.doesNotMatch(await project.run("stack", "export"), new RegExp(secret), "in the state in plain text");
  });

  it("refreshes, with the program too, and sees no drift", async () => {
    assert.match(await project.run("refresh", "--yes", "--skip-preview", "--run-program"), /3 unchanged/);
    assert.match(await project.run("preview", "--refresh", "--expect-no-changes"), /3 unchanged/);
  });

  it("replaces what has to be, and updates what depends on it", async () => {
    const output = await project.run("up", "--yes", "--skip-preview", "--config", "keeper=2");
    assert.match(output, /~ 1 updated/);
    assert.match(output, /\+-1 replaced/);
    assert.equal(await log(), "run\nrun\n");
  });

  it("tells about the program", async () => {
    assert.match(await project.run("about"), new RegExp(`This project is written in nodejs: .*${process.version}`));
  });

  it("ends with the program's own words where it has told the user, else with its exit code", async () => {
    const failing = async (mode: string) => {
      const { code, output } = await project.start("up", "--yes", "--skip-preview", "--config", `mode=${mode}`).ended;
      assert.notEqual(code, 0);
      return output;
    };
    const told = await failing("tell");
    assert.match(told, /error: the program says no\n/);
    assert.doesNotMatch(told, /unhandled|exit code/);
    assert.match(await failing("exit"), /Program exited with non-zero exit code: 7/);
    assert.match(
      await failing("remote"),
      /sandbox stand-in: command does not implement resource type command:remote:Command/,
    );
  });

  it("ends a command under way at Ctrl-C, twice pressed, and leaves no process behind", async () => {
    const { child, ended, output } = project.start("up", "--yes", "--skip-preview", "--config", "mode=slow");
    const pidFile = join(project.directory, "pid");
    await until("the slow command", () => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "");
    const pid = Number(readFileSync(pidFile, "utf8"));
    child.kill("SIGINT");
    await until("the CLI's answer", () => /interrupt|cancel/i.test(output()));
    child.kill("SIGINT");
    assert.notEqual((await ended).code, 0);
    await until("the command's end", () => !existsSync(`/proc/${pid}`), 10_000);
    await until("the plugins' end", () => processesOf(project.directory).length === 0, 10_000);
    await project.start("cancel", "--yes").ended;
  });

  it("leaves no plugin behind when the CLI itself is killed", async () => {
    const { child, ended } = project.start("up", "--yes", "--skip-preview");
    await until("the language host", () => processesOf(join(project.directory, "home")).length > 0);
    child.kill("SIGKILL");
    await ended;
    await until("the plugins' end", () => processesOf(join(project.directory, "home")).length === 0, 15_000);
    for (const pid of processesOf(project.directory)) process.kill(pid);
    await project.run("cancel", "--yes");
  });

  it("destroys with the program run, in the program's order", async () => {
    await project.run("config", "rm", "mode");
    const output = await project.run("destroy", "--yes", "--skip-preview", "--run-program");
    assert.match(output, /- \d deleted/);
    assert.match(await log(), /gone\n$/);
    assert.doesNotMatch(await project.run("stack", "export"), /random:index|command:local/);
  });
});
