import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { findProject, settingsInFile } from "../../../cli/project";
import { good } from "../support/settings";
import { missingTrust } from "../../../cli/trust";
import { NOT_GIVEN, openWorld } from "../../../cli/world";
import { mask } from "../../../ci/lib/secrets";
import { grafanaHeaders } from "../../../cli/logins";

const root = resolve(__dirname, "../../..");

describe("where the command audit finds its stack", () => {
  let directory = "";
  const file = (name: string, text: string) => writeFileSync(join(directory, name), text);
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "project-"));
    mkdirSync(join(directory, "deep/er"), { recursive: true });
    file("Pulumi.yaml", "name: audit");
    file("Pulumi.plain.yaml", "config:\n  audit:replicas: 3\n");
    file("Pulumi.vm2.yaml", "config:\n  audit:replicas: 3\n  audit:applications: [a, b]\n  audit:caFile: ca.pem\n  audit:registryPassword:\n    secure: v1:x\n"); // prettier-ignore
  });
  after(() => rmSync(directory, { recursive: true }));

  it("finds the project from a directory below it, and the stack by option, environment or default", () => {
    const at = (env: Record<string, string>, named?: string) => findProject(join(directory, "deep/er"), env, named);
    assert.deepEqual(at({}), { directory, stack: "vm2", file: join(directory, "Pulumi.vm2.yaml") });
    assert.equal(at({ AUDIT_STACK: "vm3" }).stack, "vm3");
    assert.equal(at({ AUDIT_STACK: "vm3", PULUMI_STACK: "vm4" }).stack, "vm4");
    assert.equal(at({ PULUMI_STACK: "vm4" }, "vm5").stack, "vm5");
    assert.throws(() => findProject(tmpdir(), {}), /no Pulumi\.yaml; change to a clone of the project first/);
    for (const name of ["../vm2", "..", "."])
      assert.throws(() => at({}, name), new RegExp(`--stack ${name.replaceAll(".", "\\.")} is no name of a stack`));
  });

  it("reads the file of the sandbox's shell for its stack alone", () => {
    const env = { PULUMI_STACK: "sandbox", PULUMI_OPTION_CONFIG_FILE: "/elsewhere/Pulumi.sandbox.yaml" };
    assert.equal(findProject(directory, env).file, "/elsewhere/Pulumi.sandbox.yaml");
    assert.equal(findProject(directory, env, "vm2").file, join(directory, "Pulumi.vm2.yaml"));
    const unnamed = findProject(directory, { ...env, PULUMI_STACK: "" });
    assert.equal(unnamed.file, join(directory, "Pulumi.vm2.yaml"), "settings of one stack, state of another");
  });

  it("reads settings as the engine gives them, without what is encrypted", () => {
    assert.deepEqual(settingsInFile(findProject(directory, {})), {
      texts: { "audit:replicas": "3", "audit:applications": '["a","b"]', "audit:caFile": "ca.pem" },
      encrypted: ["audit:registryPassword"],
    });
    assert.throws(
      () => settingsInFile(findProject(directory, {}, "vm9")),
      /Pulumi\.vm9\.yaml does not exist; `audit init/,
    );
    file("Pulumi.bad.yaml", "config: [");
    assert.throws(() => settingsInFile(findProject(directory, {}, "bad")), /Pulumi\.bad\.yaml cannot be read/);
  });

  it("trusts the company's authority and heeds its proxy from Node's start", () => {
    const authority = { NODE_EXTRA_CA_CERTS: join(directory, "ca.pem") };
    assert.deepEqual(missingTrust(["doctor"], {}, directory), authority);
    assert.deepEqual(missingTrust(["doctor", "--stack", "vm9"], {}, directory), undefined);
    assert.deepEqual(missingTrust(["doctor", "--stack=vm2"], { PULUMI_STACK: "vm9" }, directory), authority);
    assert.deepEqual(missingTrust(["doctor"], authority, directory), undefined);
    const [answers, named] = [join(directory, "answers.yaml"), join(directory, "answered.pem")];
    writeFileSync(named, "");
    writeFileSync(answers, `caFile: ${named}\n`);
    assert.deepEqual(missingTrust(["init", "--answers", answers], {}, directory), { NODE_EXTRA_CA_CERTS: named });
    assert.deepEqual(missingTrust(["init", "--answers", "none.yaml", "--stack", "vm9"], {}, directory), undefined);
    assert.deepEqual(missingTrust([], { ...authority, HTTPS_PROXY: "http://proxy" }, directory), { NODE_USE_ENV_PROXY: "1" }); // prettier-ignore
  });

  it("names every mistake of the settings, and says how to log in to the state", async () => {
    await assert.rejects(
      openWorld({ env: {}, cwd: directory, stack: "plain" }, { settings: "file" }),
      /configuration has \d+ mistakes/,
    );
    const bin = join(directory, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "pulumi"), "#!/bin/sh\necho error: no login >&2; exit 255\n", { mode: 0o755 });
    const env = { PATH: `${bin}:${process.env.PATH ?? ""}` };
    await assert.rejects(
      openWorld({ env, cwd: directory }),
      /settings of stack vm2 cannot be read: no login; log in to it: PULUMI_BACKEND_URL/,
    );
  });

  it("says that the CLI is not there, and does without the registry's password", async () => {
    const given = Object.entries({ ...good, "audit:registryUsername": "robot" });
    const lines = given
      .filter(([key]) => key !== "audit:registryPassword")
      .map(([key, value]) => `  ${key}: ${JSON.stringify(value)}`);
    file("Pulumi.pulls.yaml", ["config:", ...lines].join("\n"));
    const world = await openWorld({ env: { PATH: "" }, cwd: directory, stack: "pulls" }, { settings: "file" });
    assert.equal(world.values.registryPassword, NOT_GIVEN);
    await assert.rejects(world.outputs(), /^Error: the program pulumi is not in PATH; install Pulumi's CLI/);
  });

  it("conceals the logins of the environment", async () => {
    const basic = { Authorization: `Basic ${Buffer.from("admin:grafana-password").toString("base64")}` };
    const env = {
      ...{ VAULT_TOKEN: "hvs.of-vault", PULUMI_BACKEND_URL: "postgres://pulumi:of-the-state@db/pulumi" },
      GRAFANA_HTTP_HEADERS: JSON.stringify(basic),
    };
    await openWorld({ env, cwd: directory, stack: "plain" }, { settings: "file" }).catch(() => undefined);
    assert.equal(mask(`hvs.of-vault of-the-state ${basic.Authorization}`), "[MASKED] [MASKED] Basic [MASKED]");
    assert.deepEqual(grafanaHeaders({ GRAFANA_AUTH: "glsa_1" }), { Authorization: "Bearer glsa_1" });
  });

  it("runs by npx in a clone", function () {
    this.timeout(30_000);
    const help = execFileSync("npx", ["audit", "--help"], { cwd: root, encoding: "utf8" });
    assert.match(help, /^audit <command>/);
    const { status, stderr } = spawnSync(process.execPath, [join(root, "cli/audit.mjs"), "--nonsense"], { cwd: root, encoding: "utf8" }); // prettier-ignore
    assert.equal(status, 2, stderr);
  });

  it("goes on when nobody reads its notes any more", async function () {
    this.timeout(30_000);
    const child = spawn(process.execPath, [join(root, "cli/audit.mjs"), "--nonsense"], { cwd: root });
    child.stderr.destroy();
    assert.deepEqual(await once(child, "exit"), [2, null]);
  });

  it("ends when its command has, whatever servers it still has a connection with", function () {
    this.timeout(30_000);
    const busy = "data:text/javascript,setInterval(() => undefined, 1000)";
    const args = ["--import", busy, join(root, "cli/audit.mjs"), "--help"];
    const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: "utf8", timeout: 20_000 });
    assert.equal(status, 0);
    assert.match(stdout, /130\s+Ctrl-C\.\n$/);
  });
});
