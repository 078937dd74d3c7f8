import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

import ts from "typescript";

/** Panel types whose options and field configuration are checked as well; the dashboard's own type leaves them open. */
const CHECKED_PANELS = ["timeseries", "stat", "statetimeline", "heatmap"] as const;
const MODULES = ["dashboard", "common", "prometheus", ...CHECKED_PANELS] as const;
const FIELD_CONFIGS = new Set<string>(["timeseries", "statetimeline", "heatmap"]);

interface Panel {
  type: string;
  title?: string;
  options?: unknown;
  fieldConfig?: { defaults?: { custom?: unknown } };
}

/**
 * Checks the finished JSON of a dashboard against the schema types that Grafana generates for its SDK, as the compiler sees them: unknown
 * keys, missing ones and wrong values are errors. The compiler checks only the code that uses the SDK's builders, but
 * not overrides, the canonical form, or dashboards from elsewhere.
 *
 * @returns the compiler's messages; empty if the dashboard fits
 */
export function schemaErrors(json: string): string[] {
  const panels = (JSON.parse(json) as { panels: Panel[] }).panels;
  const checks = panels.flatMap(({ type, options, fieldConfig }, index) => {
    const module = type.replace("-", "");
    if (!CHECKED_PANELS.some((name) => name === module)) return [];
    return [
      `const options${index}: ${module}.Options = ${JSON.stringify(options)};`,
      ...(FIELD_CONFIGS.has(module)
        ? [`const custom${index}: ${module}.FieldConfig = ${JSON.stringify(fieldConfig?.defaults?.custom ?? {})};`]
        : []),
    ];
  });
  const source = [
    ...MODULES.map((name) => `import * as ${name} from "./${name}";`),
    `const whole: dashboard.Dashboard = ${json};`,
    ...checks,
  ].join("\n");
  const files = new Map([
    ...MODULES.map((name) => [`/${name}.d.ts`, schemaTypes(name)] as const),
    ["/check.ts", source],
  ]);
  return compile(files);
}

/** The SDK's declarations of one module, with enums as unions of what JSON holds and queries as Prometheus's. */
function schemaTypes(name: string): string {
  const path = join(dirname(require.resolve(`@grafana/grafana-foundation-sdk/${name}`)), "types.gen.d.ts");
  const imports = MODULES.filter((other) => other !== name).map((other) => `import * as ${other} from "./${other}";`);
  const declarations = readFileSync(path, "utf8")
    .replace(/^import .*$/gm, "")
    .replace(/^ *_implementsDataqueryVariant\(\): void;$/gm, "")
    .replaceAll("cog.Dataquery", "prometheus.Dataquery")
    .replace(/export declare enum (\w+) \{([^}]*)\}/g, (_, type: string, body: string) => {
      const members = [...body.matchAll(/(\w+) = ("[^"]*"|-?\d+)/g)].map(([, member, value]) => ({ member, value }));
      return [
        `export type ${type} = ${members.map(({ value }) => value).join(" | ")};`,
        `export declare namespace ${type} {`,
        ...members.map(({ member, value }) => `  type ${member} = ${value};`),
        "}",
      ].join("\n");
    });
  return [...imports, declarations].join("\n");
}

function compile(files: ReadonlyMap<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    noLib: false,
    lib: ["lib.es2022.d.ts"],
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.CommonJS,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const readFile = host.readFile.bind(host);
  const getSourceFile = host.getSourceFile.bind(host);
  host.fileExists = (path) => files.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => files.get(path) ?? readFile(path);
  host.getSourceFile = (path, languageVersion, ...rest) => {
    const text = files.get(path);
    return text === undefined
      ? getSourceFile(path, languageVersion, ...rest)
      : ts.createSourceFile(path, text, languageVersion);
  };
  const program = ts.createProgram(["/check.ts"], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, messageText }) => {
    return `${file?.fileName ?? ""}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
}
