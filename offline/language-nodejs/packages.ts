import { existsSync } from "node:fs";
import { readdir, readFile, realpath } from "node:fs/promises";
import { join } from "node:path";

/** A plugin that the program's packages require. */
export interface RequiredPackage {
  /** e.g. `docker` */
  readonly name: string;
  /** With a leading `v`. */
  readonly version: string;
  /** Where the CLI would download it from; empty for the default. */
  readonly server: string;
}

interface PackageJson {
  name?: string;
  version?: string;
  pulumi?: { resource?: boolean; name?: string; version?: string; server?: string };
}

/**
 * The plugins named by the `pulumi` section of the packages in every node_modules below the program, nested ones
 * included. A package that cannot be read is skipped, as by the genuine host: the engine requests the plugin once a
 * resource needs it.
 *
 * The Kubernetes plugin is installed only by `make cluster`. Until then it is left out: otherwise the CLI would try to
 * download it for every stack, even without a cluster.
 */
export async function requiredPackages(
  programDirectory: string,
  pulumiHome = process.env.PULUMI_HOME,
): Promise<RequiredPackage[]> {
  const found = new Map<string, RequiredPackage>();
  const visited = new Set<string>();
  await findNodeModules(programDirectory, found, visited);
  const isInstalled = ({ name, version }: RequiredPackage): boolean =>
    existsSync(join(pulumiHome ?? "", "plugins", `resource-${name}-${version}`));
  return [...found.values()]
    .filter((required) => required.name !== "kubernetes" || isInstalled(required))
    .sort((a, b) => (a.name + a.version < b.name + b.version ? -1 : 1));
}

/** Skips hidden directories: they contain caches and state, but no package of the program. */
async function findNodeModules(directory: string, found: Map<string, RequiredPackage>, visited: Set<string>) {
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith("."))
      .map(({ name }) => {
        const path = join(directory, name);
        return name === "node_modules" ? readPackages(path, found, visited) : findNodeModules(path, found, visited);
      }),
  );
}

async function readPackages(nodeModules: string, found: Map<string, RequiredPackage>, visited: Set<string>) {
  const directory = await realpath(nodeModules).catch(() => undefined);
  if (directory === undefined || visited.has(directory)) return;
  visited.add(directory);
  const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
  await Promise.all(
    entries
      .filter((entry) => !entry.name.startsWith(".") && (entry.isDirectory() || entry.isSymbolicLink()))
      .map(async ({ name }) => {
        const path = join(directory, name);
        if (name.startsWith("@")) await readPackages(path, found, visited);
        else await readPackage(path, found, visited);
      }),
  );
}

async function readPackage(directory: string, found: Map<string, RequiredPackage>, visited: Set<string>) {
  const [text] = await Promise.all([
    readFile(join(directory, "package.json"), "utf8").catch(() => ""),
    readPackages(join(directory, "node_modules"), found, visited),
  ]);
  // Parsing hundreds of files takes longer than reading them, and few belong to Pulumi.
  if (!text.includes('"pulumi"')) return;
  const required = requiredBy(text);
  if (required) found.set(`${required.name}@${required.version}`, required);
}

function requiredBy(text: string): RequiredPackage | undefined {
  let json: PackageJson;
  try {
    json = JSON.parse(text) as PackageJson;
  } catch {
    return undefined;
  }
  if (typeof json.pulumi !== "object" || json.pulumi.resource !== true) return undefined;
  const name = json.pulumi.name ?? (json.name?.startsWith("@pulumi/") ? json.name.slice("@pulumi/".length) : undefined);
  const version = json.pulumi.version ?? json.version;
  if (name === undefined || version === undefined) return undefined;
  return { name, version: version.startsWith("v") ? version : `v${version}`, server: json.pulumi.server ?? "" };
}
