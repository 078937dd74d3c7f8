import { userInfo } from "node:os";
import type { ReleaseState } from "../../lib/release-state.js";
import { NO_FORMER_RELEASE, planRollback } from "../../lib/rollback.js";
import { UserError } from "../../offline/lib/user-error.js";
import { runSteps } from "./display.js";
import { requireCluster } from "./environment.js";
import { Pulumi } from "./pulumi.js";
import type { Settings } from "./settings.js";
import { sandboxStack } from "./stack-file.js";
import type { State } from "./state.js";

/**
 * Deploys the former release of a stack, like the pipeline's job `rollback` and `audit rollback`: on VM2 a start and a promotion, on the
 * cluster a rolling update. The settings stay unchanged, so that the next `make up` or `make cluster` deploys the
 * working tree again.
 *
 * @returns what was done, for the reader
 * @throws UserError if there is nothing to go back to, or with the CLI's diagnostics
 */
export async function rollback(settings: Settings, state: State, stack = sandboxStack): Promise<string> {
  requireCluster(state, stack);
  const [command, up] =
    stack.name === "cluster" ? ["make rollback STACK=cluster", "make cluster"] : ["make rollback", "make up"];
  let result = "";
  await runSteps([
    {
      name: "Roll back",
      run: async (progress) => {
        const pulumi = new Pulumi(settings, state, progress, stack);
        const outputs = (await pulumi.outputs()) as { release?: string; releases?: ReleaseState };
        const plan = planRollback(outputs, { by: userInfo().username, place: command });
        if (plan === undefined) throw new UserError(`Nothing was changed: ${NO_FORMER_RELEASE}.`);
        const started = performance.now();
        await pulumi.up(plan.settings, plan.message);
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        const from = String(plan.from);
        result = `\nrelease ${from} -> ${plan.to.release} in ${seconds} s, without a build. \`${command}\` again goes forward. The settings still describe release ${from}: the next \`${up}\` or \`pulumi up\` deploys it again.\n`;
        return undefined;
      },
    },
  ]);
  return result;
}
