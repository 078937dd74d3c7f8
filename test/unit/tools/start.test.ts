import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { parse } from "yaml";

const root = resolve(__dirname, "../../..");

/** Runs a script in a Node with Pulumi.yaml's `nodeargs`, and returns its JSON output. */
function run(script: string, env: NodeJS.ProcessEnv = {}): unknown {
  const args = ["--require", join(root, "tools/start.cjs"), "-e", script];
  const options = { cwd: root, encoding: "utf8", timeout: 20_000, env: { ...process.env, ...env } } as const;
  return JSON.parse(execFileSync(process.execPath, args, options));
}

const loaded = `Object.keys(require.cache).filter((file) => /node_modules\\/(typescript|@npmcli\\/arborist)\\//.test(file)).length`;

describe("lazy packages", () => {
  it("keep TypeScript and arborist out of the SDK's start", () => {
    assert.equal(run(`require("@pulumi/pulumi"); console.log(${loaded})`), 0);
  });

  it("are loaded when a function is serialized after all", () => {
    const script = `
      const pulumi = require("@pulumi/pulumi");
      const { computeCodePaths } = require("@pulumi/pulumi/runtime/closure/codePaths");
      const two = 2;
      (async () => {
        const { text } = await pulumi.runtime.serializeFunction(() => two + 1);
        const paths = await computeCodePaths({ extraIncludePackages: ["yaml"] });
        console.log(JSON.stringify({ text: /two \\+ 1/.test(text), paths: paths.size > 0, loaded: ${loaded} > 1 }));
      })();`;
    assert.deepEqual(run(script), { text: true, paths: true, loaded: true });
  });
});

describe("the program's start", () => {
  it("leaves packages to Node, and has tsx compile the program's own files", () => {
    const compiledBy = (file: string): unknown =>
      run(`
        const { prototype } = require("node:module");
        const compile = prototype._compile;
        let by;
        prototype._compile = function (...args) {
          // The first module that is compiled, by whom called it: the line after this function's.
          by ??= /[/]tsx[/]/.test(new Error().stack.split("\\n")[2]) ? "tsx" : "Node";
          return compile.apply(this, args);
        };
        require(${JSON.stringify(file)});
        console.log(JSON.stringify(by));`);
    assert.equal(compiledBy("yaml"), "Node");
    assert.equal(compiledBy("./lib/digest.ts"), "tsx");
  });

  it("is what Pulumi.yaml names", () => {
    const { runtime } = parse(readFileSync(join(root, "Pulumi.yaml"), "utf8")) as {
      runtime: { options: { nodeargs: string } };
    };
    assert.equal(runtime.options.nodeargs, "--require ./tools/start.cjs");
  });

  /** How Pulumi shows an error that this script throws. @returns the lines that name files */
  const framesOf = (script: string): string[] => {
    const shown = run(`
      const pulumi = require("@pulumi/pulumi");
      // As Pulumi's own start does it.
      require("source-map-support/register");
      try { ${script} } catch (error) {
        console.log(JSON.stringify(require("node:util").inspect(error)));
        // Node 20.20 never ended here with some names of files.
        require("node:util").inspect(error, { colors: true });
      }`);
    return String(shown).match(/(?<=\().*:\d+(?=:\d+\))/g) ?? [];
  };

  it("has an error of the program name the line in its source", () => {
    const source = readFileSync(join(root, "lib/digest.ts"), "utf8").split("\n");
    const line = source.findIndex((text) => text.includes("createHash(")) + 1;
    assert.ok(framesOf(`require("./lib/digest.ts").digestOf(undefined)`).includes(`${root}/lib/digest.ts:${line}`));
  });

  it("lets Pulumi show an error in its SDK, on every Node, by the files that are there", () => {
    const [first = ""] = framesOf(`new pulumi.Config("audit").require("nothing")`);
    assert.match(first, /\/node_modules\/@pulumi\/pulumi\/config\.js:\d+$/);
  });

  it("has the SDK take no stack traces of its promises, unless it is to print them", () => {
    const script = `
      const pulumi = require("@pulumi/pulumi");
      const { debuggablePromise } = require("@pulumi/pulumi/runtime/debuggable");
      const promise = Promise.resolve(1);
      debuggablePromise(promise, "a context").then((value) =>
        console.log(JSON.stringify({
          value,
          lines: promise._debugStackTrace.split("\\n").length,
          context: promise._debugCtx,
          limit: Error.stackTraceLimit,
        })));`;
    const seen = { value: 1, context: "a context", limit: 10 };
    assert.deepEqual(run(script), { ...seen, lines: 1 });
    const { lines } = run(script, { PULUMI_DEBUG_PROMISE_LEAKS: "1" }) as { lines: number };
    assert.ok(lines > 3, `${lines} lines`);
  });
});
