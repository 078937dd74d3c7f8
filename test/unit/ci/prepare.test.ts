import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, describe, it } from "mocha";
import { pluginEnvironment } from "../../../ci/lib/plugins";
import { scratch } from "./support/job";

const root = resolve(__dirname, "../../..");
const arch = process.arch === "arm64" ? { cli: "arm64", plugin: "arm64" } : { cli: "x64", plugin: "amd64" };
const CLI = `pulumi-v9.9.9-linux-${arch.cli}.tar.gz`;
const plugin = (name: string, version: string): string =>
  `pulumi-resource-${name}-v${version}-linux-${arch.plugin}.tar.gz`;

/** A repository of one package of Pulumi's and one of somebody else's, and vendors that are directories. */
describe("ci: what is fetched of Pulumi and its plugins", () => {
  let dir: ReturnType<typeof scratch>;
  const at = (...path: string[]): string => join(dir.path, ...path);
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(join(at(path), ".."), { recursive: true });
    writeFileSync(at(path), text);
    chmodSync(at(path), mode);
  };
  const sha = (path: string): string =>
    createHash("sha256")
      .update(readFileSync(at(path)))
      .digest("hex");
  const served = (url: string): string => `vendors/${url}`;
  const [pulumis, theirs] = [
    "get.pulumi.com/releases/plugins",
    "github.com/elsewhere/pulumi-b/releases/download/v2.0.0",
  ];

  beforeEach(() => {
    dir = scratch();
    mkdirSync(at("ci"));
    for (const file of ["prepare.sh", "artifacts.sh", "record-checksums.sh"])
      cpSync(join(root, "ci", file), at("ci", file));
    write("versions.json", JSON.stringify({ tools: { pulumi: "9.9.9" } }));
    write(
      "package.json",
      JSON.stringify({ dependencies: { "@pulumi/a": "1.0.0", "@other/b": "2.0.0", zod: "4.0.0" } }),
    );
    const packages: Record<string, object> = {
      "@pulumi/a": { pulumi: { resource: true, name: "a", version: "1.0.0" } },
      "@other/b": {
        pulumi: { resource: true, name: "b", version: "2.0.0", server: "github://api.github.com/elsewhere" },
      },
      zod: {},
    };
    for (const [name, text] of Object.entries(packages))
      write(`node_modules/${name}/package.json`, JSON.stringify(text));
    // curl as the scripts call it, and the CLI as far as they ask it.
    write(
      "bin/curl",
      `#!/bin/sh\nwhile [ $# -gt 2 ]; do shift; done\ncp "${at("vendors")}/\${2#https://}" "$1"\n`,
      0o755,
    );
    const cli = [
      "#!/bin/sh",
      `if [ "$1" = version ]; then echo v9.9.9; exit; fi`,
      `echo "$*" >> ${at("installed")}`,
      `mkdir -p "$PULUMI_HOME/plugins/resource-$4-v$5"`,
    ].join("\n");
    write("cli/pulumi/pulumi", cli, 0o755);
    for (const one of ["x64", "arm64"]) {
      mkdirSync(at(served("get.pulumi.com/releases/sdk")), { recursive: true });
      const archive = at(served(`get.pulumi.com/releases/sdk/pulumi-v9.9.9-linux-${one}.tar.gz`));
      execFileSync("tar", ["-czf", archive, "-C", at("cli"), "pulumi"]);
    }
    publish();
    for (const one of ["amd64", "arm64"]) {
      write(served(`${pulumis}/pulumi-resource-a-v1.0.0-linux-${one}.tar.gz`), `a for ${one}`);
      write(served(`${theirs}/pulumi-resource-b-v2.0.0-linux-${one}.tar.gz`), `b for ${one}`);
    }
  });
  afterEach(() => dir.remove());

  /** The vendor's own checksums of the CLI, as it publishes them beside it. */
  const publish = () => {
    const sdk = "get.pulumi.com/releases/sdk";
    const lines = ["x64", "arm64"].map((one) => `pulumi-v9.9.9-linux-${one}.tar.gz`).map((file) => `${sha(served(`${sdk}/${file}`))}  ${file}\n`); // prettier-ignore
    write(served(`${sdk}/pulumi-9.9.9-checksums.txt`), lines.join(""));
  };
  const run = (script: string, ...args: string[]) => {
    const env = { PATH: `${at("bin")}:${process.env.PATH ?? ""}`, HOME: dir.path, PULUMI_HOME: at("home") };
    const { status, stderr } = spawnSync(at("ci", script), args, { cwd: dir.path, env, encoding: "utf8" });
    return { code: status, stderr };
  };
  const prepare = () => run("prepare.sh", "pulumi", "plugins");
  const installed = (): string[] =>
    existsSync(at("installed")) ? readFileSync(at("installed"), "utf8").trim().split("\n").map((line) => line.replace(/ --file .*/, "")) : []; // prettier-ignore
  const record = () => {
    const { code, stderr } = run("record-checksums.sh");
    assert.equal(code, 0, stderr);
  };

  it("is what was recorded: the CLI and each plugin, once, and from then on the CLI fetches none itself", () => {
    record();
    assert.match(readFileSync(at("ci/checksums.txt"), "utf8"), /^(?:[0-9a-f]{64} {2}pulumi-\S+\.tar\.gz\n){6}$/);
    assert.deepEqual(prepare(), { code: 0, stderr: "" });
    assert.ok(existsSync(at(".cache/ci/bin/pulumi")));
    const both = ["plugin install resource a 1.0.0", "plugin install resource b 2.0.0"];
    assert.deepEqual(installed(), both);
    assert.deepEqual(prepare(), { code: 0, stderr: "" });
    assert.deepEqual(installed(), both);
    assert.deepEqual(pluginEnvironment(dir.path), { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" });
  });

  it("needs packages, of which the tools are there even where NODE_ENV leaves them out", () => {
    write("package-lock.json", "{}");
    write("bin/npm", `#!/bin/sh\necho "$*" > ${at("npm")}\n`, 0o755);
    assert.deepEqual(run("prepare.sh", "--npm"), { code: 0, stderr: "" });
    assert.match(readFileSync(at("npm"), "utf8"), /^ci --include=dev /);
  });

  it("is refused when it has changed: a plugin, and even a CLI with its vendor's checksum", () => {
    record();
    write(served(`${theirs}/${plugin("b", "2.0.0")}`), "something else");
    const first = prepare();
    assert.equal(first.code, 1);
    assert.match(
      first.stderr,
      /^error: pulumi-resource-b-v2\.0\.0-linux-\w+\.tar\.gz has changed: ci\/checksums\.txt says [0-9a-f]{64}, and this is [0-9a-f]{64}; nothing of it was used$/m,
    );
    assert.deepEqual(installed(), ["plugin install resource a 1.0.0"]);
    rmSync(at(".cache"), { recursive: true });
    write("cli/pulumi/pulumi", "#!/bin/sh\necho of somebody else\n", 0o755);
    execFileSync("tar", ["-czf", at(served(`get.pulumi.com/releases/sdk/${CLI}`)), "-C", at("cli"), "pulumi"]);
    publish();
    const second = prepare();
    assert.equal(second.code, 1);
    assert.match(second.stderr, /^error: pulumi-v9\.9\.9-linux-\w+\.tar\.gz has changed: /m);
    assert.ok(!existsSync(at(".cache/ci/bin/pulumi")));
  });

  it("is refused when nobody has recorded it", () => {
    record();
    const lines = readFileSync(at("ci/checksums.txt"), "utf8").replace(/.*pulumi-resource-a-.*\n/g, "");
    write("ci/checksums.txt", lines);
    const { code, stderr } = prepare();
    assert.equal(code, 1);
    assert.match(stderr, /^error: ci\/checksums\.txt has no checksum of pulumi-resource-a-v1\.0\.0-linux-\w+\.tar\.gz; run make checksums and commit the file$/m); // prettier-ignore
    assert.deepEqual(installed(), []);
  });

  it("includes the plugins' former versions, which may have written the state", () => {
    record();
    write(
      "node_modules/@pulumi/a/package.json",
      JSON.stringify({ pulumi: { resource: true, name: "a", version: "1.1.0" } }),
    );
    for (const one of ["amd64", "arm64"])
      write(served(`${pulumis}/pulumi-resource-a-v1.1.0-linux-${one}.tar.gz`), `new ${one}`);
    record();
    assert.equal(readFileSync(at("ci/checksums.txt"), "utf8").match(/resource-a-v1\.[01]\.0/g)?.length, 4);
    assert.deepEqual(prepare(), { code: 0, stderr: "" });
    assert.deepEqual(installed().slice(0, 2), ["plugin install resource a 1.1.0", "plugin install resource a 1.0.0"]);
  });

  it("is not recorded again under a known name, and no CLI without its vendor's checksum", () => {
    record();
    const before = readFileSync(at("ci/checksums.txt"), "utf8");
    write(served(`${pulumis}/${plugin("a", "1.0.0")}`), "something else");
    const changed = run("record-checksums.sh");
    assert.equal(changed.code, 1);
    assert.match(
      changed.stderr,
      /^error: pulumi-resource-a-v1\.0\.0-\S+ has changed since ci\/checksums\.txt was written; /m,
    );
    write(served(`get.pulumi.com/releases/sdk/${CLI}`), "something else");
    assert.match(
      run("record-checksums.sh").stderr,
      /^error: \S+ does not have the checksum that Pulumi publishes for it$/m,
    );
    assert.equal(readFileSync(at("ci/checksums.txt"), "utf8"), before);
    assert.ok(!existsSync(at("ci/checksums.txt.new")));
  });

  it("is left to the CLI if nothing is recorded; the CLI is checked against its vendor's checksum", () => {
    assert.deepEqual(prepare(), { code: 0, stderr: "" });
    assert.deepEqual(installed(), []);
    assert.deepEqual(pluginEnvironment(dir.path), {});
    rmSync(at(".cache"), { recursive: true });
    write(served(`get.pulumi.com/releases/sdk/${CLI}`), "something else");
    assert.match(prepare().stderr, /^error: \S+ does not have the checksum that Pulumi publishes for it$/m);
  });
});

/** A job's image as root has it, with nothing but what the script itself needs, and an apt-get that writes down. */
describe("ci: kubectl", () => {
  let dir: ReturnType<typeof scratch>;
  const at = (path: string): string => join(dir.path, path);

  beforeEach(() => {
    dir = scratch();
    for (const each of ["ci", "bin"]) mkdirSync(at(each));
    cpSync(join(root, "ci/prepare.sh"), at("ci/prepare.sh"));
    for (const program of ["dirname", "mkdir", "grep"]) symlinkSync(`/usr/bin/${program}`, at(`bin/${program}`));
    writeFileSync(at("bin/id"), "#!/bin/sh\necho 0\n", { mode: 0o755 });
    writeFileSync(at("bin/apt-get"), `#!/bin/sh\necho "$*" >> ${at("asked")}\n`, { mode: 0o755 });
    writeFileSync(at("Pulumi.vm2.yaml"), "config:\n  audit:environment: vm2\n");
    writeFileSync(at("Pulumi.cluster.yaml"), "config:\n  audit:platform: kubernetes # not vm\n");
  });
  afterEach(() => dir.remove());

  const installed = (stack?: string): string[] => {
    const env = { PATH: at("bin"), HOME: dir.path, ...(stack === undefined ? {} : { AUDIT_STACK: stack }) };
    const { status, stderr } = spawnSync(at("ci/prepare.sh"), ["kubectl"], { cwd: dir.path, env, encoding: "utf8" });
    assert.equal(status, 0, stderr);
    return existsSync(at("asked")) ? readFileSync(at("asked"), "utf8").trim().split("\n") : [];
  };
  const DEBIANS = ["update -q", "install -q -y --no-install-recommends kubectl"];

  it("is not installed for a stack on a VM", () => {
    assert.deepEqual(installed(), []);
    assert.deepEqual(installed("vm2"), []);
  });

  it("is Debian's for a stack on a cluster", () => assert.deepEqual(installed("cluster"), DEBIANS));

  it("is Debian's also where the stack's file has key and value in quotes", () => {
    writeFileSync(at("Pulumi.quoted.yaml"), `config:\n  "audit:platform": 'kubernetes'\n`);
    assert.deepEqual(installed("quoted"), DEBIANS);
  });

  it("is in the image of the jobs, which is made without a stack's file", () => {
    rmSync(at("Pulumi.vm2.yaml"));
    assert.deepEqual(installed(), DEBIANS);
  });
});
