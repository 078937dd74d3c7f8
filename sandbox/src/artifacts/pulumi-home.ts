import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installPlugins, npmPackage } from "../../../offline/index.js";
import { failure, lastLine } from "../../../offline/lib/failures.js";
import { rootDir, stateDir } from "../../../offline/lib/paths.js";
import { attempt } from "../../../offline/lib/run.js";
import { UserError } from "../../../offline/lib/user-error.js";
import type { Progress } from "../display.js";
import { ensurePulumiCli } from "./pulumi-cli.js";
import type { Artifact, Sources } from "./types.js";

export type PulumiHomeArtifact = Artifact & {
  readonly pulumiHome: string;
  /** Directories to prepend to PATH: the CLI's, which also has the vendor's language host. */
  readonly path: string[];
};

/** A resource plugin as its Node SDK declares it. */
export interface Plugin {
  readonly name: string;
  readonly version: string;
  readonly server?: string;
}

const sdks = [
  "@pulumi/command",
  "@pulumi/docker",
  "@pulumi/postgresql",
  "@pulumi/random",
  "@pulumi/vault",
  "@pulumiverse/grafana",
];

/** The `pulumi` field of an SDK's package.json: the one place where a plugin's version is pinned. */
export function pluginOf(
  manifest: { version: string; pulumi?: { name?: string; version?: string; server?: string } },
  sdk: string,
): Plugin {
  const { pulumi } = manifest;
  const server = pulumi?.server;
  return {
    name: pulumi?.name ?? sdk.replace(/^.*\//, ""),
    version: pulumi?.version ?? manifest.version,
    ...(server !== undefined && { server }),
  };
}

function plugins(): Plugin[] {
  return sdks.map((sdk) => {
    const path = join(rootDir, "node_modules", sdk, "package.json");
    if (!existsSync(path)) throw new UserError(`${sdk} is not installed. Run \`npm ci\` and try again.`);
    return pluginOf(JSON.parse(readFileSync(path, "utf8")) as Parameters<typeof pluginOf>[0], sdk);
  });
}

/**
 * The sandbox's own PULUMI_HOME with the plugins: the genuine ones if get.pulumi.com is reachable, otherwise our
 * stand-ins and our language host. The user's ~/.pulumi is neither read nor changed.
 *
 * Each source has its own home, because a stand-in and a genuine plugin of the same version would share a directory.
 * @throws UserError naming cause and cure
 */
export async function ensurePulumiHome(sources: Sources, progress: Progress): Promise<PulumiHomeArtifact> {
  const cli = await ensurePulumiCli(sources, progress);
  if (cli.source === "official") {
    try {
      return await genuine(cli, progress);
    } catch (error) {
      if (sources.forced || !UserError.is(error)) throw error;
      progress(`${error.message.split("\n")[0] ?? ""} Taking our stand-ins for all plugins instead`);
    }
  }
  return standIns(cli, progress);
}

async function genuine(cli: Artifact & { path: string }, progress: Progress): Promise<PulumiHomeArtifact> {
  const pulumiHome = join(stateDir, "pulumi-official");
  mkdirSync(pulumiHome, { recursive: true });
  let cached = cli.cached;
  for (const plugin of plugins()) cached = (await installGenuine(cli.path, pulumiHome, plugin, progress)) && cached;
  const detail = `${cli.detail}, genuine plugins`;
  return { name: "pulumi-home", cached, source: "official", detail, pulumiHome, path: [dirname(cli.path)] };
}

/** Has the CLI install a vendor's plugin. @returns true when it was there */
export async function installGenuine(
  cli: string,
  pulumiHome: string,
  { name, version, server }: Plugin,
  progress: Progress,
): Promise<boolean> {
  if (existsSync(join(pulumiHome, "plugins", `resource-${name}-v${version}`))) return true;
  progress(`installing the plugin ${name} ${version}`);
  const from = server === undefined ? [] : ["--server", server];
  const result = await attempt(cli, ["plugin", "install", "resource", name, version, ...from], {
    env: { PULUMI_HOME: pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
    timeout: 10 * 60_000,
  });
  if (!result.ok) throw failure(`install the Pulumi plugin ${name} ${version}`, lastLine(result.all));
  return false;
}

async function standIns(cli: Artifact & { path: string }, progress: Progress): Promise<PulumiHomeArtifact> {
  const pulumiHome = join(stateDir, "pulumi");
  mkdirSync(pulumiHome, { recursive: true });
  progress("installing the stand-in plugins and the language host");
  // This machine's Node, or the images', if this one's is too old to keep compiled code between runs
  // (docs/decisions/0200). It runs the program as well.
  const own = Number.parseInt(process.versions.node) >= 22;
  const installed = await installPlugins(
    pulumiHome,
    own ? process.execPath : join(await npmPackage("node"), "bin/node"),
  );
  const detail = `${cli.detail}, stand-ins for the plugins and the language host`;
  const cached = cli.cached && installed.cached;
  return { name: "pulumi-home", cached, source: "offline", detail, pulumiHome, path: [dirname(cli.path)] };
}
