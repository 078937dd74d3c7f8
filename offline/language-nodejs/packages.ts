import { existsSync, readdirSync, readFileSync, realpathSync, type Dirent } from "node:fs";
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
 *
 * The CLI waits for it in every run. Node's synchronous calls read the hundreds of small files in a sixth of the time.
 */
export function requiredPackages(programDirectory: string, pulumiHome = process.env.PULUMI_HOME): RequiredPackage[] {
  const found = new Map<string, RequiredPackage>();
  const visited = new Set<string>();
  findNodeModules(programDirectory, found, visited);
  const isInstalled = ({ name, version }: RequiredPackage): boolean =>
    existsSync(join(pulumiHome ?? "", "plugins", `resource-${name}-${version}`));
  return [...found.values()]
    .filter((required) => required.name !== "kubernetes" || isInstalled(required))
    .sort((a, b) => (a.name + a.version < b.name + b.version ? -1 : 1));
}

function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Skips hidden directories: they contain caches and state, but no package of the program. */
function findNodeModules(directory: string, found: Map<string, RequiredPackage>, visited: Set<string>): void {
  for (const entry of entriesOf(directory)) {
    if (!entry.isDirectory() || entry.name.startsWith(".")) continue;
    const path = join(directory, entry.name);
    if (entry.name === "node_modules") readPackages(path, found, visited);
    else findNodeModules(path, found, visited);
  }
}

function readPackages(nodeModules: string, found: Map<string, RequiredPackage>, visited: Set<string>): void {
  let directory: string;
  try {
    directory = realpathSync(nodeModules);
  } catch {
    return;
  }
  if (visited.has(directory)) return;
  visited.add(directory);
  for (const entry of entriesOf(directory)) {
    if (entry.name.startsWith(".") || !(entry.isDirectory() || entry.isSymbolicLink())) continue;
    const path = join(directory, entry.name);
    if (entry.name.startsWith("@")) readPackages(path, found, visited);
    else readPackage(path, found, visited);
  }
}

function readPackage(directory: string, found: Map<string, RequiredPackage>, visited: Set<string>): void {
  readPackages(join(directory, "node_modules"), found, visited);
  let text: string;
  try {
    text = readFileSync(join(directory, "package.json"), "utf8");
  } catch {
    return;
  }
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
