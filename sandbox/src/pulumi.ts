import { execa } from "execa";
import { copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { copyToLog, openLog } from "../../offline/lib/run.js";
import { UserError } from "../../offline/lib/user-error.js";
import type { Progress } from "./display.js";
import { toolEnvironment } from "./environment.js";
import { interrupt } from "./interrupt.js";
import { stateKey } from "./platform/names.js";
import type { Settings } from "./settings.js";
import { adoptEncryption, hasEncryption, writeOneRunConfig } from "./stack-config.js";
import { sandboxStack, type Stack } from "./stack-file.js";
import type { State } from "./state.js";

interface Outcome {
  failed: boolean;
  output: string;
}

/** Runs the Pulumi CLI on one of the sandbox's stacks. */
export class Pulumi {
  constructor(
    private readonly settings: Settings,
    private readonly state: State,
    private readonly progress: Progress,
    private readonly stack: Stack = sandboxStack,
  ) {}

  /** Ensures that the stack exists, with its secrets encrypted by Vault. @returns true if it existed. */
  async ensureStack(): Promise<boolean> {
    const { name } = this.stack;
    if (this.state.has(this.stack.ready) && hasEncryption(this.state, this.stack)) return true;
    // `stack init` writes into the directory of Pulumi.yaml; in a copy of it, no file of the project changes.
    const dir = this.state.path("stack");
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    copyFileSync(join(this.settings.root, "Pulumi.yaml"), join(dir, "Pulumi.yaml"));
    const settingsFile = join(dir, `Pulumi.${name}.yaml`);
    rmSync(settingsFile, { force: true });
    const provider = `hashivault://${stateKey}`;
    let made = await this.run(["stack", "init", name, "--secrets-provider", provider], { cwd: dir });
    if (made.failed && made.output.includes("already exists")) {
      // An interrupted run created the stack without saving its key, so encrypt it with a new one.
      made = await this.run(["stack", "change-secrets-provider", provider, "--stack", name], { cwd: dir });
    }
    if (made.failed) throw this.explain("make the stack", made.output);
    if (existsSync(settingsFile)) adoptEncryption(this.state, settingsFile, this.stack);
    this.state.write(this.stack.ready, "");
    return false;
  }

  /**
   * `pulumi up`.
   *
   * @param over settings for this run only, which override the stack's file
   * @param message for the stack's history; default: the commit's subject
   * @returns true if nothing changed
   * @throws UserError with the CLI's diagnostics
   */
  async up(over: Readonly<Record<string, string>> = {}, message?: string): Promise<boolean> {
    const args = [
      ...["up", "--stack", this.stack.name, "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
      ...(message === undefined ? [] : ["--message", message]),
    ];
    // `--config` would write them into the file.
    const env: Record<string, string> =
      Object.keys(over).length === 0
        ? {}
        : { PULUMI_OPTION_CONFIG_FILE: writeOneRunConfig(this.state, over, this.stack) };
    let result = await this.run(args, { env });
    if (result.failed && result.output.includes("currently locked by") && this.lockIsStale(result.output)) {
      this.progress("an earlier `pulumi up` was killed: releasing its lock");
      await this.run(["cancel", "--yes", "--stack", this.stack.name]);
      result = await this.run(args, { env });
    }
    if (result.failed) throw this.explain("deploy the program", result.output);
    return !/^\s+[+~-]+\s*\d+ (created|updated|deleted|replaced)|^\s+\+-\d+ replaced/m.test(result.output);
  }

  async destroy(): Promise<Outcome> {
    return this.run([
      "destroy",
      "--stack",
      this.stack.name,
      "--yes",
      "--skip-preview",
      "--non-interactive",
      "--color",
      "never",
    ]);
  }

  /**
   * Removes what the program made, and then the stack. What a cluster that no longer answers had, goes with it.
   * @throws UserError with the CLI's diagnostics
   */
  async remove(): Promise<void> {
    const env = { PULUMI_K8S_DELETE_UNREACHABLE: "true" };
    const destroyed = await this.run(
      ["destroy", "--stack", this.stack.name, "--yes", "--skip-preview", "--non-interactive", "--color", "never"],
      { env },
    );
    if (destroyed.failed) throw this.explain("remove what the program made", destroyed.output);
    // Without --preserve-config it would remove a file of the project.
    const removed = await this.run(["stack", "rm", this.stack.name, "--yes", "--preserve-config"]);
    if (removed.failed) throw this.explain("remove the stack", removed.output);
  }

  async outputs(): Promise<Record<string, unknown>> {
    interrupt.throwIfAborted();
    const { stdout } = await execa("pulumi", ["stack", "output", "--json", "--stack", this.stack.name], {
      cwd: this.settings.root,
      env: toolEnvironment(this.settings, this.state, this.stack),
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
    interrupt.throwIfAborted();
    const log = openLog(this.state.path("logs", `pulumi-${args[0] ?? ""}.log`));
    const environment = toolEnvironment(this.settings, this.state, this.stack);
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
    copyToLog(child.all, log);
    for await (const line of child.iterable({ from: "all" })) {
      const shown = line.trim();
      // Skip "@ updating....", the CLI's own heartbeat.
      if (shown && !shown.startsWith("@")) this.progress(shown);
    }
    const result = await child;
    log.end();
    return { failed: result.failed, output: result.all };
  }

  private explain(what: string, output: string): UserError {
    return new UserError(`Pulumi could not ${what}:\n${diagnostics(output)}\n(the whole output is in .sandbox/logs, the settings in .sandbox/${this.stack.file})`); // prettier-ignore
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
