import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import * as grpc from "@grpc/grpc-js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import languageGrpc from "@pulumi/pulumi/proto/language_grpc_pb.js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type * as pb from "@pulumi/pulumi/proto/language_pb.js";
import { languageHost } from "../../language-nodejs/host.js";
import { parseOptions, splitWords } from "../../language-nodejs/options.js";
import { listen, newServer } from "../../plugins/framework/process.js";
import { encode, type Properties } from "../../plugins/framework/values.js";

/** Stands where the SDK's runner stands: writes down how it was run, then does what its entry point says. */
const runner = `
const fs = require("node:fs");
const { PULUMI_CONFIG, PULUMI_CONFIG_SECRET_KEYS, PULUMI_NODEJS_TYPESCRIPT, PULUMI_NODEJS_TSCONFIG_PATH } = process.env;
fs.writeFileSync(__dirname + "/ran.json", JSON.stringify({
  args: process.argv.slice(2), nodeargs: process.execArgv,
  config: JSON.parse(PULUMI_CONFIG), secrets: JSON.parse(PULUMI_CONFIG_SECRET_KEYS),
  typescript: PULUMI_NODEJS_TYPESCRIPT, tsconfig: PULUMI_NODEJS_TSCONFIG_PATH }));
if (process.argv.includes("hang")) setInterval(() => {}, 1000);
else process.exit(Number(process.argv.at(-1)));
`;

describe("the Node language host", () => {
  let directory: string;
  let server: grpc.Server;
  let client: InstanceType<typeof languageGrpc.LanguageRuntimeClient>;

  beforeEach(async () => {
    directory = await realpath(await mkdtemp(join(tmpdir(), "language-host-")));
    server = newServer();
    server.addService(languageGrpc.LanguageRuntimeService, languageHost("127.0.0.1:7", "3.2.1").implementation);
    const port = await listen(server, "the host");
    client = new languageGrpc.LanguageRuntimeClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  });
  afterEach(async () => {
    client.close();
    server.forceShutdown();
    await rm(directory, { recursive: true });
  });

  async function write(path: string, content: string | object): Promise<void> {
    const file = join(directory, path);
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, typeof content === "string" ? content : JSON.stringify(content));
  }

  function call<Response>(method: keyof typeof client, request: unknown): Promise<Response> {
    const methods = client as unknown as Record<
      string,
      (request: unknown, done: (error: grpc.ServiceError | null, response: Response) => void) => void
    >;
    return new Promise((resolve, reject) => {
      methods[method]?.(request, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }

  function info(options: Properties = {}): pb.ProgramInfo {
    const message = new language.ProgramInfo();
    message.setRootDirectory(directory);
    message.setProgramDirectory(directory);
    message.setEntryPoint(".");
    message.setOptions(encode(options));
    return message;
  }

  it("tells its version", async () => {
    const response = await call<{ getVersion(): string }>("getPluginInfo", new empty.Empty());
    assert.equal(response.getVersion(), "3.2.1");
  });

  describe("asked for the plugins that a program needs", () => {
    const home = process.env.PULUMI_HOME;
    afterEach(() => {
      if (home === undefined) delete process.env.PULUMI_HOME;
      else process.env.PULUMI_HOME = home;
    });

    it("leaves out the one for Kubernetes until it is installed", async () => {
      process.env.PULUMI_HOME = join(directory, ".home");
      await write("node_modules/@pulumi/kubernetes/package.json", {
        name: "@pulumi/kubernetes",
        version: "4.25.0",
        pulumi: { resource: true, name: "kubernetes" },
      });
      assert.deepEqual(await required(), []);
      await write(".home/plugins/resource-kubernetes-v4.25.0/pulumi-resource-kubernetes", "");
      assert.deepEqual(await required(), ["resource kubernetes v4.25.0"]);
    });

    async function required(): Promise<string[]> {
      const request = new language.GetRequiredPackagesRequest();
      request.setInfo(info());
      const response = await call<pb.GetRequiredPackagesResponse>("getRequiredPackages", request);
      return response
        .getPackagesList()
        .map((found) => `${found.getKind()} ${found.getName()} ${found.getVersion()} ${found.getServer()}`.trim());
    }

    it("finds them in every node_modules below the program", async () => {
      await write("node_modules/@pulumi/docker/package.json", {
        name: "@pulumi/docker",
        version: "5.2.0",
        pulumi: { resource: true, name: "docker", version: "5.2.1" },
      });
      await write("node_modules/@pulumiverse/grafana/package.json", {
        name: "@pulumiverse/grafana",
        version: "v2.4.0",
        pulumi: { resource: true, name: "grafana", server: "github://api.github.com/pulumiverse" },
      });
      await write("node_modules/some/node_modules/@pulumi/random/package.json", {
        name: "@pulumi/random",
        version: "4.0.0",
        pulumi: { resource: true },
      });
      await write("packages/web/node_modules/@pulumi/vault/package.json", {
        name: "@pulumi/vault",
        version: "7.0.0",
        pulumi: { resource: true },
      });
      assert.deepEqual(await required(), [
        "resource docker v5.2.1",
        "resource grafana v2.4.0 github://api.github.com/pulumiverse",
        "resource random v4.0.0",
        "resource vault v7.0.0",
      ]);
    });

    it("passes over other packages, broken ones, hidden directories and circles of links", async () => {
      await write("node_modules/@pulumi/pulumi/package.json", { name: "@pulumi/pulumi", version: "3.0.0", pulumi: {} });
      await write("node_modules/broken/package.json", '{ "pulumi": ');
      await write("node_modules/nameless/package.json", { version: "1.0.0", pulumi: { resource: true } });
      await write(".cache/node_modules/@pulumi/x/package.json", {
        name: "@pulumi/x",
        version: "1.0.0",
        pulumi: { resource: true },
      });
      await symlink(directory, join(directory, "node_modules", "workspace"));
      assert.deepEqual(await required(), []);
    });
  });

  describe("running a program", () => {
    async function run(entryPoint: string, options: Properties = {}): Promise<{ error: string; bail: boolean }> {
      const request = new language.RunRequest();
      const where = info(options);
      where.setEntryPoint(entryPoint);
      request.setInfo(where);
      request.setMonitorAddress("127.0.0.1:8");
      request.setProject("proj");
      request.setStack("dev");
      request.setOrganization("organization");
      request.setParallel(4);
      request.setDryrun(true);
      request.getConfigMap().set("proj:a", "1").set("aws:config:b", "2").set("proj:x:y", "3");
      request.setConfigsecretkeysList(["proj:a"]);
      const response = await call<pb.RunResponse>("run", request);
      return { error: response.getError(), bail: response.getBail() };
    }
    const ran = async (): Promise<Record<string, unknown>> => {
      const text = await readFile(join(directory, "node_modules/@pulumi/pulumi/cmd/run/ran.json"), "utf8");
      return JSON.parse(text) as Record<string, unknown>;
    };

    beforeEach(() => write("node_modules/@pulumi/pulumi/cmd/run/index.js", runner));

    it("hands everything over to the SDK's runner", async () => {
      assert.deepEqual(await run("0", { nodeargs: "--no-deprecation '--title=a b'", tsconfig: "t.json" }), {
        error: "",
        bail: false,
      });
      const named = { monitor: "127.0.0.1:8", engine: "127.0.0.1:7", organization: "organization", project: "proj" };
      const more = { "root-directory": directory, stack: "dev", pwd: directory, parallel: "4" };
      assert.deepEqual(await ran(), {
        args: [...Object.entries({ ...named, ...more }).flatMap(([k, v]) => [`--${k}`, v]), "--dry-run", "0"],
        nodeargs: ["--no-deprecation", "--title=a b"],
        config: { "proj:config:a": "1", "aws:config:b": "2", "proj:config:x:y": "3" },
        secrets: ["proj:a"],
        typescript: "true",
        tsconfig: "t.json",
      });
    });

    it("leaves ts-node out when told so", async () => {
      await run("0", { typescript: false });
      assert.equal((await ran()).typescript, undefined);
    });

    it("bails when the program has told the user, and says the code of any other end", async () => {
      assert.deepEqual(await run("32"), { error: "", bail: true });
      assert.deepEqual(await run("3"), { error: "Program exited with non-zero exit code: 3", bail: false });
    });

    it("says what is wrong with the options, and that the SDK is missing", async () => {
      assert.equal((await run("0", { typescript: "yes" })).error, "typescript option must be a boolean");
      assert.equal((await run("0", { nodeargs: "'x" })).error, "nodeargs option: a ' is not closed");
      await rm(join(directory, "node_modules"), { recursive: true });
      const sdk = "It looks like the Pulumi SDK has not been installed. Have you run pulumi install?";
      assert.equal((await run("0")).error, sdk);
    });

    it("ends the program when the engine cancels", async () => {
      const running = run("hang");
      while (!(await ran().catch(() => undefined))) await new Promise((resolve) => setTimeout(resolve, 20));
      await call("cancel", new empty.Empty());
      assert.deepEqual(await running, { error: "Program was ended by SIGINT", bail: false });
    });
  });

  it("tells what the program depends on, from npm's lockfile", async () => {
    const lock = {
      packages: {
        "": { dependencies: { a: "^1" }, devDependencies: { "@s/b": "2" } },
        "node_modules/a": { version: "1.1.0" },
        "node_modules/a/node_modules/c": { version: "3.0.0" },
        "node_modules/@s/b": { version: "2.0.0" },
        "node_modules/web": { link: true },
        web: { version: "0.1.0" },
      },
    };
    const dependencies = async (transitive: boolean) => {
      const request = new language.GetProgramDependenciesRequest();
      request.setInfo(info());
      request.setTransitivedependencies(transitive);
      const response = await call<pb.GetProgramDependenciesResponse>("getProgramDependencies", request);
      return response.getDependenciesList().map((found) => `${found.getName()} ${found.getVersion()}`);
    };
    await assert.rejects(
      dependencies(false),
      /failed to get node dependencies from .*package-lock\.json: run npm install/,
    );
    await write("package-lock.json", lock);
    assert.deepEqual(await dependencies(false), ["a 1.1.0", "@s/b 2.0.0"]);
    assert.deepEqual(await dependencies(true), ["a 1.1.0", "c 3.0.0", "@s/b 2.0.0"]);
  });

  it("tells which Node runs the program", async () => {
    const request = new language.AboutRequest();
    request.setInfo(info());
    const response = await call<pb.AboutResponse>("about", request);
    assert.equal(response.getExecutable(), process.execPath);
    assert.equal(response.getVersion(), process.version);
    const npm = execFileSync("npm", ["--version"], { encoding: "utf8" }).trim();
    assert.equal(response.getMetadataMap().get("packagemanagerVersion"), npm);
  });

  it("installs dependencies with npm and streams what it says, or why it failed", async () => {
    const install = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const request = new language.InstallDependenciesRequest();
        request.setInfo(info());
        const stream = client.installDependencies(request);
        let text = "";
        stream.on("data", (response: pb.InstallDependenciesResponse) => {
          text += Buffer.from(response.getStdout_asU8()).toString() + Buffer.from(response.getStderr_asU8()).toString();
        });
        stream.on("error", reject);
        stream.on("end", () => {
          resolve(text);
        });
      });
    await write("local/package.json", { name: "local", version: "1.0.0" });
    await write("package.json", { name: "program", version: "1.0.0", dependencies: { local: "file:./local" } });
    assert.match(await install(), /^Installing dependencies\.\.\.[^]*Finished installing dependencies\n\n$/);
    assert.equal(await realpath(join(directory, "node_modules/local")), join(directory, "local"));
    await write("package.json", "{");
    await assert.rejects(install(), /npm ci in .* exited with code 1/);
  }).timeout(60_000);

  it("splits arguments for Node as a shell does", () => {
    assert.deepEqual(splitWords("  --import tsx  "), ["--import", "tsx"]);
    assert.deepEqual(splitWords(`a\\ b "c \\"d" 'e\\f' g""h ''`), ["a b", 'c "d', "e\\f", "gh", ""]);
    assert.throws(() => parseOptions({ packagemanager: "yarn" }), /knows npm only/);
  });
});
