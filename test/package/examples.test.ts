import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import * as components from "../../components";

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

/** The example in the comment of each class that users may use, by the class's name. */
function examples(): Map<string, string | undefined> {
  const parse = (file: string) =>
    ts.createSourceFile(file, readFileSync(join(root, file), "utf8"), ts.ScriptTarget.ES2022, true);
  const found = new Map<string, string | undefined>();
  for (const statement of parse("components/index.ts").statements) {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) continue;
    const file = join("components", `${(statement.moduleSpecifier as ts.StringLiteral).text}.ts`);
    if (!file.startsWith("components/")) continue;
    for (const declared of parse(file).statements) {
      if (!ts.isClassDeclaration(declared) || !((declared.name?.text ?? "") in components)) continue;
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

  it("are there for each component, and compile", () => {
    const found = examples();
    assert.ok(found.size >= 12, [...found.keys()].join(", "));
    const without = [...found].filter(([, code]) => code === undefined).map(([name]) => name);
    assert.deepEqual(without, []);
    const each = [...found].map(
      ([name, code = ""]) => `async function of${name}() {\n${code.replace(/^export /gm, "")}\n}`,
    );
    assert.deepEqual(complaints([PRELUDE, ...each].join("\n")), []);
  });
});
