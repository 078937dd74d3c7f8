/**
 * Builds the package with which another program uses the components, and the command `audit`: compiled, with types,
 * templates and scripts.
 *
 *   node --import tsx tools/build-package.ts [directory]
 *
 * Writes the package's files and the tarball to the directory, default `build`, and prints the tarball's path.
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { join, resolve } from "node:path";

interface Manifest {
  version: string;
  license: string;
  engines: object;
  dependencies: Record<string, string>;
}

const root = join(__dirname, "..");
/** Directories that go into the package. */
const ROOMS = ["components", "nginx", "vault-agent", "dashboards", "steps", "lib", "cli", "bootstrap"];
/** Packages that a part of the components imports: who uses that part installs them, and nobody else pays for them. */
const OPTIONAL = ["@pulumi/kubernetes"];

/** @returns the tarball's path */
function build(directory: string): string {
  const files = join(directory, "package");
  rmSync(files, { recursive: true, force: true });
  mkdirSync(files, { recursive: true });
  const tsc = join(root, "node_modules/.bin/tsc");
  execFileSync(tsc, ["-p", join(root, "tsconfig.package.json"), "--outDir", files], { stdio: "inherit" });
  for (const room of ROOMS) {
    // The page about the components is the package's own.
    const filter = (path: string) => statSync(path).isDirectory() || !/\.(ts|md)$/.test(path);
    cpSync(join(root, room), join(files, room), { recursive: true, filter });
  }
  cpSync(join(root, "LICENSE"), join(files, "LICENSE"));
  cpSync(join(root, "components/README.md"), join(files, "README.md"));
  writeFileSync(join(files, "package.json"), `${JSON.stringify(manifest(files), undefined, 2)}\n`);
  const packed = execFileSync("npm", ["pack", "--json", "--pack-destination", directory], {
    cwd: files,
    encoding: "utf8",
  });
  const [made] = JSON.parse(packed) as { filename: string }[];
  if (made === undefined) throw new Error(`npm pack named no file: ${packed}`);
  return join(directory, made.filename);
}

/**
 * The package's manifest. Its dependencies are those of this program that it imports, in the same versions; npm does
 * not install the optional ones.
 */
function manifest(files: string): object {
  const { version, license, engines, dependencies } = JSON.parse(
    readFileSync(join(root, "package.json"), "utf8"),
  ) as Manifest;
  const imported = importsOf(files);
  const used = (optional: boolean) =>
    Object.fromEntries(
      Object.entries(dependencies).filter(([name]) => imported.has(name) && OPTIONAL.includes(name) === optional),
    );
  return {
    name: "@audit-vm2/components",
    version,
    description: "Pulumi components that run a service safely on a virtual machine of one's own, or on Kubernetes",
    license,
    engines,
    bin: { audit: "./cli/audit.mjs" },
    exports: {
      ".": { types: "./components/index.d.ts", default: "./components/index.js" },
      "./kubernetes": {
        types: "./components/kubernetes/index.d.ts",
        default: "./components/kubernetes/index.js",
      },
      "./dashboards": { types: "./dashboards/index.d.ts", default: "./dashboards/index.js" },
      "./package.json": "./package.json",
    },
    dependencies: used(false),
    peerDependencies: used(true),
    peerDependenciesMeta: Object.fromEntries(OPTIONAL.map((name) => [name, { optional: true }])),
  };
}

/** Names of the packages that compiled files import. */
function importsOf(files: string): ReadonlySet<string> {
  const compiled = readdirSync(files, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".js"));
  const named = compiled.flatMap((file) =>
    [...readFileSync(join(files, file), "utf8").matchAll(/\b(?:require|import)\("([^".][^"]*)"\)/g)].map(
      ([, specifier = ""]) => specifier,
    ),
  );
  return new Set(named.filter((name) => !isBuiltin(name)).map((name) => /^(@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name));
}

console.log(build(resolve(process.argv[2] ?? join(root, "build"))));
