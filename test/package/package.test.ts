import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { find, ofType, run, type Registered } from "../unit/support/program";

const root = resolve(__dirname, "../..");
const digest = (n: number) => `registry.example.test/image@sha256:${String(n).repeat(64)}`;

interface Manifest {
  name: string;
  dependencies: Record<string, string>;
}
const manifestOf = (directory: string) => JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** Each example is installed into an empty directory: the package as it was packed, everything else from this repository. */
describe("the package of the components", function () {
  this.timeout(180_000);
  const directory = realpathSync(mkdtempSync(join(tmpdir(), "package-")));
  const formerly = process.cwd();
  const examples = readdirSync(join(root, "examples"), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  const packageOf = (example: string) => join(directory, example, "node_modules/@audit-vm2/components");
  let tarball = "";

  before(() => {
    const build = ["--import", "tsx", join(root, "tools/build-package.ts"), directory];
    tarball = execFileSync(process.execPath, build, { cwd: root, encoding: "utf8" }).trim();
    for (const example of examples) {
      const installed = join(directory, example);
      cpSync(join(root, "examples", example), installed, { recursive: true });
      mkdirSync(packageOf(example), { recursive: true });
      execFileSync("tar", ["-xzf", tarball, "-C", packageOf(example), "--strip-components", "1"]);
      for (const name of readdirSync(join(root, "node_modules")).filter((each) => !each.startsWith(".")))
        symlinkSync(join(root, "node_modules", name), join(installed, "node_modules", name));
    }
  });
  afterEach(() => process.chdir(formerly));
  after(() => rmSync(directory, { recursive: true }));

  it("depends on what it imports, in this repository's versions, and so do the examples", () => {
    const own = manifestOf(root).dependencies;
    const { dependencies } = manifestOf(packageOf(examples[0] ?? ""));
    assert.ok(Object.keys(dependencies).length > 8);
    for (const [name, version] of Object.entries(dependencies)) assert.equal(version, own[name], name);
    for (const example of examples) {
      for (const [name, version] of Object.entries(manifestOf(join(root, "examples", example)).dependencies)) {
        const wanted = name === "@audit-vm2/components" ? `file:../../build/${tarball.split("/").at(-1)}` : own[name];
        assert.equal(version, wanted, `${example}: ${name}`);
      }
    }
  });

  it("has a README of its own", () => {
    const readme = (directory: string) => readFileSync(join(directory, "README.md"), "utf8");
    assert.equal(readme(packageOf(examples[0] ?? "")), readme(join(root, "components")));
    assert.ok(!existsSync(join(packageOf(examples[0] ?? ""), "components/README.md")));
  });

  it("has types that the examples and the README's program fit", () => {
    const [, program = ""] =
      /^```ts\n([^]*?)^```$/m.exec(readFileSync(join(root, "components/README.md"), "utf8")) ?? [];
    assert.notEqual(program, "");
    const ofReadme = `${examples[0]}/readme.ts`;
    writeFileSync(join(directory, ofReadme), program);
    const base = JSON.parse(readFileSync(join(root, "tsconfig.base.json"), "utf8")) as { compilerOptions: object };
    const config = join(directory, "tsconfig.json");
    writeFileSync(
      config,
      JSON.stringify({
        compilerOptions: { ...base.compilerOptions, types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
        files: [...examples.map((example) => `${example}/index.ts`), ofReadme],
      }),
    );
    try {
      execFileSync(join(root, "node_modules/.bin/tsc"), ["-p", config], { encoding: "utf8" });
    } catch (error) {
      assert.fail((error as { stdout: string }).stdout);
    } finally {
      rmSync(config);
    }
  });

  /** Runs an example against Pulumi's mocks, in its own directory. */
  async function example(name: string, config: Record<string, unknown>): Promise<Registered[]> {
    process.chdir(join(directory, name));
    const { resources } = await run(async () => {
      const values = Object.entries({ ...common, ...config }).map(([key, value]) => [
        // The project that the mocks name.
        `audit:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]);
      pulumi.runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
      const program = (await import(join(directory, name, "index.ts"))) as { default: () => Promise<object> };
      return program.default();
    });
    return resources;
  }
  const common = {
    host: { address: "ssh://deploy@vm.example.test" },
    vault: { address: "https://vault.example.test:8200", agentAddress: "https://vault.example.test:8200" },
    range: "10.20.4.0/22",
  };
  /** The programs that a stack's commands run, all of which must be there. */
  const steps = (resources: readonly Registered[]) =>
    ofType(resources, "Command")
      .flatMap(({ inputs }) => [inputs.create, inputs.delete])
      .filter((line) => typeof line === "string" && line.startsWith("node "))
      .map((line) => {
        const [, file = ""] = (line as string).split(" ");
        assert.ok(existsSync(file), `${file} is not in the package`);
        return file;
      });

  it("puts the image with one port behind the edge", async () => {
    const resources = await example("one-port", {
      images: { service: digest(1), nginx: digest(2), exporter: digest(3), vault: digest(4) },
      database: { host: "db.example.test", port: 5432, sslMode: "verify-full" },
      admin: { host: "db.example.test", username: "deployer" },
      edge: { listen: { port: 80, tlsPort: 443, metricsPort: 9145 }, metricsAllow: [], publicUrl: "http://vm.test" },
    });
    assert.equal(find(resources, "Container", "one-port-blue-1").inputs.image, `sha256:id-of-${digest(1)}`);
    const nginx = find(resources, "Command", "one-port-edge-config-files").inputs.stdin as string;
    assert.match(nginx, /location = \/v1\/events \{/);
    assert.deepEqual(steps(resources), [
      "node_modules/@audit-vm2/components/steps/deliver-secret-id.js",
      "node_modules/@audit-vm2/components/steps/revoke-former.js",
    ]);
  });

  it("binds a secret to a container of somebody else's", async () => {
    const resources = await example("secrets-binding", { images: { reader: digest(1), vault: digest(4) } });
    const { mounts } = find(resources, "Container", "reader").inputs;
    assert.equal((mounts as { source: string }[])[0]?.source, "binding-rendered");
    assert.equal(steps(resources).length, 2);
  });
});
