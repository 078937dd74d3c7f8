import { execa } from "execa";
import { copyFileSync, createWriteStream, existsSync, mkdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { UserError } from "../../offline/lib/user-error.js";
import type { Progress } from "./display.js";
import { toolEnvironment } from "./environment.js";
import { stateKey } from "./platform/names.js";
import type { Settings } from "./settings.js";
import { adoptEncryption, hasEncryption, stackName, writeOneRunConfig } from "./stack-config.js";
import { configFile } from "./stack-file.js";
import type { State } from "./state.js";

interface Outcome {
  failed: boolean;
  output: string;
}

/** Runs the Pulumi CLI on the sandbox's stack. */
export class Pulumi {
  constructor(
    private readonly settings: Settings,
    private readonly state: State,
    private readonly progress: Progress,
  ) {}

  /** Ensures that the stack exists, with its secrets encrypted by Vault. @returns true if it existed. */
  async ensureStack(): Promise<boolean> {
    if (this.state.has("stack-ready") && hasEncryption(this.state)) return true;
    // `stack init` writes into the directory of Pulumi.yaml; in a copy of it, no file of the project changes.
    const dir = this.state.path("stack");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    copyFileSync(join(this.settings.root, "Pulumi.yaml"), join(dir, "Pulumi.yaml"));
    const settingsFile = join(dir, `Pulumi.${stackName}.yaml`);
    rmSync(settingsFile, { force: true });
    const provider = `hashivault://${stateKey}`;
    let made = await this.run(["stack", "init", stackName, "--secrets-provider", provider], { cwd: dir });
    if (made.failed && made.output.includes("already exists")) {
      // An interrupted run created the stack without saving its key, so encrypt it with a new one.
      made = await this.run(["stack", "change-secrets-provider", provider, "--stack", stackName], { cwd: dir });
    }
    if (made.failed) throw explain("make the stack", made.output);
    if (existsSync(settingsFile)) adoptEncryption(this.state, settingsFile);
    this.state.write("stack-ready", "");
    return false;
  }

  /**
   * `pulumi up`.
   *
   * @param over settings for this run only, which override the stack's file
   * @returns true if nothing changed
   * @throws UserError with the CLI's diagnostics
   */
  async up(over: Readonly<Record<string, string>> = {}): Promise<boolean> {
    const args = ["up", "--stack", stackName, "--yes", "--skip-preview", "--non-interactive", "--color", "never"];
    // `--config` would write them into the file.
    const env: Record<string, string> =
      Object.keys(over).length === 0 ? {} : { PULUMI_OPTION_CONFIG_FILE: writeOneRunConfig(this.state, over) };
    let result = await this.run(args, { env });
    if (result.failed && result.output.includes("currently locked by") && this.lockIsStale(result.output)) {
      this.progress("an earlier `pulumi up` was killed: releasing its lock");
      await this.run(["cancel", "--yes", "--stack", stackName]);
      result = await this.run(args, { env });
    }
    if (result.failed) throw explain("deploy the program", result.output);
    return !/^\s+[+~-]+\s*\d+ (created|updated|deleted|replaced)|^\s+\+-\d+ replaced/m.test(result.output);
  }

  async destroy(): Promise<Outcome> {
    return this.run([
      "destroy",
      "--stack",
      stackName,
      "--yes",
      "--skip-preview",
      "--non-interactive",
      "--color",
      "never",
    ]);
  }

  async outputs(): Promise<Record<string, unknown>> {
    const { stdout } = await execa("pulumi", ["stack", "output", "--json", "--stack", stackName], {
      cwd: this.settings.root,
      env: toolEnvironment(this.settings, this.state),
    });
    return JSON.parse(stdout) as Record<string, unknown>;
  }

  /**
   * The DIY backend's lock names the process that holds it; if that was on this machine and is gone, the lock is stale.
   */
  private lockIsStale(output: string): boolean {
    const holder = /created by (\S+)@(\S+) \(pid (\d+)\)/.exec(output);
    if (holder?.[2] !== hostname()) return false;
    try {
      process.kill(Number(holder[3]), 0);
      return false;
    } catch {
      return true;
    }
  }

  private async run(args: string[], options: { cwd?: string; env?: Record<string, string> } = {}): Promise<Outcome> {
    mkdirSync(this.state.path("logs"), { recursive: true });
    const log = createWriteStream(this.state.path("logs", `pulumi-${args[0] ?? ""}.log`));
    const environment = toolEnvironment(this.settings, this.state);
    // In the copy of the project the CLI must write its own file rather than the generated settings.
    const env = { ...environment, ...(options.cwd ? { PULUMI_OPTION_CONFIG_FILE: "" } : {}), ...options.env };
    const child = execa("pulumi", args, {
      cwd: options.cwd ?? this.settings.root,
      env,
      all: true,
      reject: false,
      stdin: "ignore",
      maxBuffer: 100_000_000,
    });
    child.all.pipe(log);
    for await (const line of child.iterable({ from: "all" })) {
      const shown = line.trim();
      // Skip "@ updating....", the CLI's own heartbeat.
      if (shown && !shown.startsWith("@")) this.progress(shown);
    }
    const result = await child;
    return { failed: result.failed, output: result.all };
  }
}

/** The CLI's own diagnostics, without the list of resources and without colour. */
export function diagnostics(output: string): string {
  const lines = output.split("\n");
  const start = lines.findIndex((line) => line.startsWith("Diagnostics:"));
  const end = lines.findIndex((line, index) => index > start && /^(Outputs|Resources|Duration):?/.test(line));
  const chosen = start < 0 ? lines.slice(-30) : lines.slice(start + 1, end < 0 ? undefined : end);
  return chosen.filter((line) => line.trim() !== "").join("\n");
}

function explain(what: string, output: string): UserError {
  return new UserError(`Pulumi could not ${what}:\n${diagnostics(output)}\n(the whole output is in .sandbox/logs, the settings in .sandbox/${configFile})`); // prettier-ignore
}
