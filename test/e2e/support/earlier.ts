import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { spawnSync } from "node:child_process";
import { parse, stringify } from "yaml";
import { runBootstrap } from "./bootstrap";
import { root, run, type Sandbox } from "./sandbox";
import { pushService } from "./variant";

/** The version that an upgrade starts from; raised with each release. */
export const { commit } = JSON.parse(readFileSync(join(__dirname, "../upgrade-from.json"), "utf8")) as {
  commit: string;
};
export const shortCommit = commit.slice(0, 7);

/**
 * Whether this is a shallow clone without the commit. In a full clone a missing commit is a mistake, which `git
 * archive` reports.
 */
export function isShallow(): boolean {
  const git = (...args: string[]) => spawnSync("git", args, { cwd: root, encoding: "utf8" });
  if (!existsSync(join(root, ".git"))) return true;
  return (
    git("rev-parse", "--is-shallow-repository").stdout.trim() === "true" &&
    git("cat-file", "-e", `${commit}^{commit}`).status !== 0
  );
}

type Config = Record<string, unknown>;
const configOf = (file: string) => (parse(readFileSync(file, "utf8")) as { config: Config }).config;

/** The program of {@link commit} in its own directory, with the packages that it needs. */
export class Earlier {
  private constructor(private readonly directory: string) {}

  static async checkOut(): Promise<Earlier> {
    const directory = mkdtempSync(join(tmpdir(), "earlier-"));
    const must = async (command: readonly string[], cwd: string) => {
      const { code, output } = await run(command, process.env, undefined, cwd);
      assert.equal(code, 0, output);
    };
    await must(["git", "archive", "--output", join(directory, "archive.tar"), commit], root);
    await must(["tar", "-xf", "archive.tar"], directory);
    const quiet = ["--no-audit", "--no-fund", "--loglevel=error"];
    await must(
      ["npm", "ci", "--ignore-scripts", "--omit=dev", "--workspaces=false", "--prefer-offline", ...quiet],
      directory,
    );
    return new Earlier(directory);
  }

  /** Builds its service's image and pushes it. @returns the reference by digest under which VM2 pulls it */
  pushImage(sandbox: Sandbox): Promise<string> {
    return pushService(sandbox, this.directory);
  }

  /** Runs its bootstrap, as Vault's administrator did. */
  async bootstrap(sandbox: Sandbox): Promise<void> {
    const { code, output } = await runBootstrap(sandbox, {}, { cwd: this.directory });
    assert.equal(code, 0, output);
  }

  /** Deploys it with those of the sandbox's settings that it knows, overridden by these. */
  async up(sandbox: Sandbox, over: Readonly<Record<string, string>>): Promise<void> {
    const known = configOf(join(this.directory, "Pulumi.yaml"));
    const stack = parse(readFileSync(sandbox.get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as { config: Config };
    const config = Object.fromEntries(
      Object.entries({ ...stack.config, ...over }).filter(([key]) => key.replace("audit:", "") in known),
    );
    const file = join(this.directory, "Pulumi.sandbox.yaml");
    writeFileSync(file, stringify({ ...stack, config }));
    const { code, output } = await run(
      ["pulumi", "up", "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
      { ...sandbox.env, PULUMI_OPTION_CONFIG_FILE: file, GRAFANA_HTTP_HEADERS: undefined },
      undefined,
      this.directory,
    );
    assert.equal(code, 0, output);
  }

  close(): void {
    rmSync(this.directory, { recursive: true });
  }
}
