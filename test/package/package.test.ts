import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs"; // prettier-ignore
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { find, ofType, run, scriptOf, type Registered } from "../unit/support/program";

const root = resolve(__dirname, "../..");
const digest = (n: number) => `registry.example.test/image@sha256:${String(n).repeat(64)}`;

interface Manifest {
  name: string;
  dependencies: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: object;
}
const manifestOf = (directory: string) => JSON.parse(readFileSync(join(directory, "package.json"), "utf8")) as Manifest;

/** A program for a cluster, which uses what both platforms share as well. */
const FOR_CLUSTER = `
import { releaseId } from "@audit-vm2/components";
import { Cluster, SecretsBinding, type AuditServiceArgs, type VaultForPods } from "@audit-vm2/components/kubernetes";
import * as vault from "@pulumi/vault";

export = () => {
  const image = "${digest(1)}";
  const address = "https://vault.example.test:8200";
  const cluster = new Cluster("cluster", { context: "production", namespace: "audit", tools: image });
  const inVault: VaultForPods = {
    ...{ provider: new vault.Provider("vault", { address }), address, agentAddress: address, agentImage: image },
    kubernetes: { mount: "kubernetes", audience: "vault" },
  };
  const secret = { mount: "secret", path: "audit" };
  const secrets = new SecretsBinding("audit", { cluster, vault: inVault, secret, data: { greeting: "hello" } });
  const service: Partial<AuditServiceArgs> = { cluster, secrets, spec: { image }, previous: undefined };
  return Promise.resolve({ release: releaseId({ image }), deadline: service.readyDeadline });
};
`;

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

  it("leaves what a cluster alone needs to those who have one: no other program installs or loads it", () => {
    const name = "@pulumi/kubernetes";
    const { dependencies, peerDependencies, peerDependenciesMeta } = manifestOf(packageOf(examples[0] ?? ""));
    assert.ok(!(name in dependencies));
    assert.deepEqual(peerDependencies, { [name]: manifestOf(root).dependencies[name] });
    assert.deepEqual(peerDependenciesMeta, { [name]: { optional: true } });
    const without = join(directory, "without");
    const modules = join(without, "node_modules");
    mkdirSync(join(modules, "@pulumi"), { recursive: true });
    cpSync(packageOf(examples[0] ?? ""), join(modules, "@audit-vm2/components"), { recursive: true });
    const scope = readdirSync(join(root, "node_modules/@pulumi")).map((each) => `@pulumi/${each}`);
    const others = readdirSync(join(root, "node_modules")).filter((each) => !/^(\.|@pulumi$)/.test(each));
    for (const each of [...others, ...scope.filter((one) => one !== name)])
      symlinkSync(join(root, "node_modules", each), join(modules, each));
    const load = `
      require("@audit-vm2/components");
      try { require("@audit-vm2/components/kubernetes"); } catch ({ message }) { console.log(message.split("\\n")[0]); }`;
    const printed = execFileSync(process.execPath, ["-e", load], { cwd: without, encoding: "utf8" });
    assert.match(printed, /^Cannot find module '@pulumi\/kubernetes\//);
  });

  it("has the command audit, which sets a stack up from nothing", () => {
    const world = join(directory, "operated");
    mkdirSync(world);
    writeFileSync(join(world, "Pulumi.yaml"), "name: audit\nruntime: nodejs\n");
    // Nothing answers at any of them, which init only doubts.
    const url = (name: string) => `https://${name}.invalid`;
    const answers = {
      ...{ hostAddress: "ssh://deploy@vm.invalid", hostCidr: "10.0.0.7/32", serviceUrl: url("vm") },
      ...{
        image: "registry.invalid/audit/audit-svc",
        edgeImage: digest(1),
        exporterImage: digest(2),
        vaultImage: digest(3),
      },
      ...{ databaseHost: "postgres.invalid", vaultAddress: url("vault"), grafanaUrl: url("grafana") },
      ...{ prometheusUrl: url("prometheus"), prometheus: "nowhere", edgeMetricsAllow: "10.0.0.8" },
      ...{ "gitlab.url": url("gitlab"), "gitlab.project": "team/audit", "gitlab.projectId": 42 },
    };
    writeFileSync(join(world, "answers.json"), JSON.stringify(answers));
    const audit = (...args: string[]) =>
      spawnSync(process.execPath, [join(packageOf(examples[0] ?? ""), "cli/audit.mjs"), ...args], { cwd: world, encoding: "utf8" }); // prettier-ignore
    assert.match(audit("--version").stdout, /^\d+\.\d+\.\d+\n$/);
    const { status, stdout, stderr } = audit("init", "--answers", "answers.json");
    assert.equal(status, 0, stdout + stderr);
    const files = ["database.sql", "docker-read.sh", "prometheus.yml", "vault.json", "vm.sh"];
    assert.deepEqual(readdirSync(join(world, "setup/vm2")).sort(), files);
    const looked = audit("doctor", "--only", "stack-encryption");
    assert.equal(looked.status, 1, looked.stderr);
    assert.match(looked.stdout, /FAILURE +the state's key +.*Pulumi\.vm2\.yaml names no key/);
  });

  it("has a README of its own", () => {
    const readme = (directory: string) => readFileSync(join(directory, "README.md"), "utf8");
    assert.equal(readme(packageOf(examples[0] ?? "")), readme(join(root, "components")));
    assert.ok(!existsSync(join(packageOf(examples[0] ?? ""), "components/README.md")));
  });

  it("has types that the examples, the README's program and one for a cluster fit", () => {
    const [, program = ""] =
      /^```ts\n([^]*?)^```$/m.exec(readFileSync(join(root, "components/README.md"), "utf8")) ?? [];
    assert.notEqual(program, "");
    const ofReadme = `${examples[0]}/readme.ts`;
    writeFileSync(join(directory, ofReadme), program);
    const forCluster = `${examples[0]}/cluster.ts`;
    writeFileSync(join(directory, forCluster), FOR_CLUSTER);
    const base = JSON.parse(readFileSync(join(root, "tsconfig.base.json"), "utf8")) as { compilerOptions: object };
    const config = join(directory, "tsconfig.json");
    writeFileSync(
      config,
      JSON.stringify({
        compilerOptions: { ...base.compilerOptions, types: ["node"], typeRoots: [join(root, "node_modules/@types")] },
        files: [...examples.map((example) => `${example}/index.ts`), ofReadme, forCluster],
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
  async function example(name: string, config: Record<string, unknown>, file = "index.ts"): Promise<Registered[]> {
    process.chdir(join(directory, name));
    const { resources } = await run(async () => {
      const values = Object.entries({ ...common, ...config }).map(([key, value]) => [
        // The project that the mocks name.
        `audit:${key}`,
        typeof value === "string" ? value : JSON.stringify(value),
      ]);
      pulumi.runtime.setAllConfig(Object.fromEntries(values) as Record<string, string>);
      const program = (await import(join(directory, name, file))) as { default: () => Promise<object> };
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

  it("makes a namespace on a cluster, and a secret's agent, by scripts that are in the package", async () => {
    writeFileSync(join(directory, examples[0] ?? "", "cluster.ts"), FOR_CLUSTER);
    const resources = await example(examples[0] ?? "", {}, "cluster.ts");
    assert.deepEqual(find(resources, "Namespace", "cluster-namespace").inputs.metadata, {
      name: "audit",
      labels: {
        "app.kubernetes.io/part-of": "audit",
        "audit/stack": "test",
        "pod-security.kubernetes.io/enforce": "restricted",
        "pod-security.kubernetes.io/warn": "restricted",
      },
    });
    const trial = scriptOf(find(resources, "Command", "cluster-policies-enforced").inputs);
    assert.match(trial, / audit-trial-open audit-trial-closed kubectl --context production --namespace audit$/);
    assert.deepEqual(ofType(resources, "ServiceAccount").map(({ name }) => name), ["audit"]); // prettier-ignore
  });
});
