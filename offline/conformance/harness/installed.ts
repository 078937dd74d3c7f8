import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { Plugin } from "./plugin.js";
import type { Props } from "./values.js";

const require = createRequire(import.meta.url);

/** The npm package whose version a plugin has to match. */
const SDKS: Record<string, string> = {
  command: "@pulumi/command",
  docker: "@pulumi/docker",
  grafana: "@pulumiverse/grafana",
  postgresql: "@pulumi/postgresql",
  random: "@pulumi/random",
  vault: "@pulumi/vault",
};

export const projectRoot = path.resolve(import.meta.dirname, "../../..");

/** The PULUMI_HOME under test: CONFORMANCE_PLUGINS, else the sandbox's own. */
export function pulumiHome(): string {
  return path.resolve(projectRoot, process.env.CONFORMANCE_PLUGINS ?? ".sandbox/pulumi");
}

export function sdkVersion(name: string): string {
  const manifest = require(`${SDKS[name] ?? name}/package.json`) as { version: string };
  return manifest.version.replace(/^v/, "");
}

/**
 * The command line of an installed plugin: the one of the SDK's version where several are there. A stand-in has no program
 * of its own; the language host serves it alone, too.
 *
 * @throws when none is installed: a suite that skips what is missing would pass on nothing at all
 */
export function pluginCommand(name: string): readonly string[] {
  const plugins = path.join(pulumiHome(), "plugins");
  const prefix = `resource-${name}-v`;
  const found = existsSync(plugins)
    ? readdirSync(plugins).filter(
        (d) => d.startsWith(prefix) && !/\.\w+$/.test(d.slice(prefix.length).replace(/^[\d.]+/, "")),
      )
    : [];
  const wanted = prefix + sdkVersion(name);
  const directory = found.find((d) => d === wanted) ?? (found.length === 1 ? found[0] : undefined);
  if (directory === undefined) {
    const seen = found.length > 0 ? ` (there: ${found.join(", ")})` : "";
    throw new Error(`no plugin ${wanted} in ${plugins}${seen}; CONFORMANCE_PLUGINS names the PULUMI_HOME to test`);
  }
  const binary = path.join(plugins, directory, `pulumi-resource-${name}`);
  if (existsSync(binary)) return [binary];
  const host = path.join(plugins, `language-nodejs-v${sdkVersion("@pulumi/pulumi")}`, "pulumi-language-nodejs");
  if (existsSync(path.join(plugins, directory, "PulumiPlugin.yaml")) && existsSync(host))
    return [host, "--plugin", name];
  throw new Error(`${path.join(plugins, directory)} holds no pulumi-resource-${name}`);
}

/** What a plugin under test sees of the environment: enough to run, and no credentials of the developer's. */
export function cleanEnv(extra: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const { PATH, LANG } = process.env;
  return { PATH, LANG, HOME: tmpdir(), TMPDIR: tmpdir(), PULUMI_HOME: pulumiHome(), ...extra };
}

/** Opens the plugins that a test file uses, and closes them with all that was left behind. */
export class Bench {
  private made: string | undefined;
  private readonly plugins: Plugin[] = [];

  /** A directory of the test file's own; the plugins' working directory. Made when first asked for: a file whose tests are filtered out makes none. */
  get dir(): string {
    return (this.made ??= mkdtempSync(path.join(tmpdir(), "conformance-")));
  }

  async open(name: string, env: NodeJS.ProcessEnv = {}): Promise<Plugin> {
    const plugin = await Plugin.start(name, pluginCommand(name), cleanEnv(env), this.dir);
    this.plugins.push(plugin);
    return plugin;
  }

  async configured(name: string, settings: Props = {}, env: NodeJS.ProcessEnv = {}): Promise<Plugin> {
    const plugin = await this.open(name, env);
    await plugin.configure(settings);
    return plugin;
  }

  /** Deletes what a test has left; the next test starts clean. A delete that fails is the test's failure. */
  async cleanUp(): Promise<void> {
    const errors = (await Promise.all(this.plugins.map((p) => p.cleanUp()))).flat();
    if (errors.length > 0) {
      throw new AggregateError(errors, `left behind: ${errors.map((e) => e.message).join("; ")}`);
    }
  }

  async close(): Promise<void> {
    await this.cleanUp().finally(async () => {
      await Promise.all(this.plugins.map((p) => p.stop()));
      if (this.made !== undefined) {
        rmSync(this.made, { recursive: true, force: true });
      }
    });
  }
}
