import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { failed } from "../../ci/lib/stack";
import type { ReleaseSettings } from "../../lib/release-state";
import { NO_FORMER_RELEASE, planRollback, type Rollback } from "../../lib/rollback";
import type { Context } from "../command";
import { CommandError, EXIT, isPromptExit, messageOf } from "../errors";
import type { World } from "../world";

/**
 * By hand what the pipeline's job `rollback` does, with the logins of the environment.
 *
 * @param ask whether to go on; tests give their own
 */
export async function rollBack(yes: boolean, context: Context, ask = askOnTerminal): Promise<number> {
  const { output, env, interrupts } = context;
  const world = await context.world({ settings: "file" });
  const by = env.GITLAB_USER_LOGIN ?? env.USER ?? userInfo().username;
  const plan = planRollback(await world.outputs(), { by, place: "by hand" });
  if (plan === undefined) throw new CommandError(`nothing was changed: ${NO_FORMER_RELEASE}`);
  const { release, replicas, image, memory } = plan.to;
  output.note(`release ${plan.from ?? "none"} -> ${release}: ${replicas} replicas of ${image}, ${memory} MiB each`);
  if (!yes) {
    if (!output.live) throw new CommandError("nothing was changed: add --yes where nobody can be asked", EXIT.usage);
    const answer = await ask("Deploy it?", interrupts.signal).catch((error: unknown) => {
      if (isPromptExit(error)) return undefined;
      throw error;
    });
    if (answer !== true) {
      output.note("Nothing was changed.");
      return answer === undefined ? EXIT.interrupted : EXIT.failed;
    }
  }
  await reach(world);
  const started = performance.now();
  // Ctrl-C is Pulumi's: it ends what it does and gives the lock back.
  await interrupts.attached(() => deploy(world, plan, (line) => output.note(line)));
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const text = `release ${plan.from ?? "none"} -> ${plan.to.release} in ${seconds} s, without a build. The settings still describe release ${plan.from ?? "none"}: the next deploy goes forward again, and so does a second rollback.`;
  output.answer({ from: plan.from, to: plan.to.release, image: plan.to.image, seconds }, text);
  return EXIT.ok;
}

async function askOnTerminal(message: string, signal: AbortSignal): Promise<boolean> {
  const { confirm } = await import("@inquirer/prompts");
  return confirm({ message, default: false }, { signal });
}

/** A deploy that cannot reach the VM must not begin: it would change Vault and PostgreSQL, but not the VM. */
async function reach(world: World): Promise<void> {
  if (world.values.platform === "kubernetes") return;
  await world.onHost("docker version --format '{{.Server.Version}}'").catch((error: unknown) => {
    throw new CommandError(`nothing was changed: ${messageOf(error)}`);
  });
}

async function deploy(world: World, { settings, message, to }: Rollback, echo: (line: string) => void): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "audit-rollback-"));
  try {
    // `--config` would write them into the stack's file.
    const file = join(directory, "settings.yaml");
    writeFileSync(file, overridden(readFileSync(world.project.file, "utf8"), settings), { mode: 0o600 });
    const args = ["up", "--yes", "--skip-preview", "--suppress-progress", "--message", message, "--config-file", file];
    const { code, all } = await world.pulumi(args, echo);
    if (code !== 0) throw failed(`deploy ${to.image}`, all);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A stack's file with other settings; its key and what is encrypted stay. */
export function overridden(text: string, settings: ReleaseSettings): string {
  const file = (parse(text) ?? {}) as { config?: object };
  return stringify({ ...file, config: { ...file.config, ...settings } });
}
