import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import ts from "typescript";
import * as components from "../../components";
import * as forCluster from "../../components/kubernetes";

const root = resolve(__dirname, "../..");

/** Declarations that an example may use without importing them. */
const PRELUDE = `
import * as docker from "@pulumi/docker";
import * as postgresql from "@pulumi/postgresql";
import * as random from "@pulumi/random";
import * as grafana from "@pulumiverse/grafana";
import * as c from "../components";
import { publishedDashboard } from "../dashboards";
const { ${Object.keys(components).join(", ")} } = c;
declare const host: c.DockerHost, vm: c.Vm, vault: c.VaultForAgents, slots: c.Slots, provider: postgresql.Provider;
declare const database: c.Database, tokens: c.AccessTokens, secrets: c.SecretsBinding, edge: c.EdgeProxy, service: c.AuditService;
`;

/** The same for those of a cluster. */
const PRELUDE_OF_CLUSTER = `
import * as random from "@pulumi/random";
import * as c from "../components";
import * as k from "../components/kubernetes";
import { ROUTES } from "../nginx/routes";
const { ${Object.keys(forCluster).join(", ")} } = k;
declare const cluster: k.Cluster, vault: k.VaultForPods, secrets: k.SecretsBinding, service: k.AuditService;
declare const database: c.Database, tokens: c.AccessTokens, last: c.RunState;
declare const reach: { database: k.Destination; vault: k.Destination };
`;

/** The example in the comment of each class that an index exports, by the class's name. */
function examples(index: string, exported: object): Map<string, string | undefined> {
  const parse = (file: string) =>
    ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2022, true);
  const found = new Map<string, string | undefined>();
  for (const statement of parse(index).statements) {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) continue;
    const file = join(dirname(index), `${(statement.moduleSpecifier as ts.StringLiteral).text}.ts`);
    if (!file.startsWith("components/")) continue;
    for (const declared of parse(file).statements) {
      if (!ts.isClassDeclaration(declared) || !((declared.name?.text ?? "") in exported)) continue;
      const tag = ts.getJSDocTags(declared).find(({ tagName }) => tagName.text === "example");
      found.set(declared.name?.text ?? "", ts.getTextOfJSDocComment(tag?.comment));
    }
  }
  return found;
}

const options: ts.CompilerOptions = {
  strict: true,
  noEmit: true,
  skipLibCheck: true,
  esModuleInterop: true,
  target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.Node20,
  moduleResolution: ts.ModuleResolutionKind.Node16,
  resolveJsonModule: true,
  types: ["node"],
  typeRoots: [join(root, "node_modules/@types")],
};

/** The compiler's errors for a program; the file exists only in memory, as if it were in build/. */
function complaints(text: string): string[] {
  const name = join(root, "build/examples.ts");
  const disk = ts.createCompilerHost(options);
  const withText: ts.CompilerHost = {
    ...disk,
    fileExists: (file) => file === name || disk.fileExists(file),
    getSourceFile: (file, target, ...rest) =>
      file === name ? ts.createSourceFile(file, text, target) : disk.getSourceFile(file, target, ...rest),
  };
  const program = ts.createProgram([name], options, withText);
  return ts.getPreEmitDiagnostics(program).map(({ messageText, start = 0 }) => {
    const line = text.slice(0, start).split("\n").length - 1;
    return `${text.split("\n")[line] ?? ""}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
  });
}

describe("the examples in the components' comments", function () {
  this.timeout(120_000);

  for (const [what, index, exported, prelude, least] of [
    ["component", "components/index.ts", components, PRELUDE, 12],
    ["component of a cluster", "components/kubernetes/index.ts", forCluster, PRELUDE_OF_CLUSTER, 4],
  ] as const) {
    it(`are there for each ${what}, and compile`, () => {
      const found = examples(index, exported);
      assert.ok(found.size >= least, [...found.keys()].join(", "));
      const without = [...found].filter(([, code]) => code === undefined).map(([name]) => name);
      assert.deepEqual(without, []);
      const each = [...found].map(
        ([name, code = ""]) => `async function of${name}() {\n${code.replace(/^export /gm, "")}\n}`,
      );
      assert.deepEqual(complaints([prelude, ...each].join("\n")), []);
    });
  }
});
