import { formerRelease, settingsOf, type ReleaseState } from "../../lib/release-state.js";
import { UserError } from "../../offline/lib/user-error.js";
import { runSteps } from "./display.js";
import { Pulumi } from "./pulumi.js";
import type { Settings } from "./settings.js";
import type { State } from "./state.js";

/**
 * Deploys the release in the other slot, like the pipeline's job `rollback`: a start and a promotion. The settings stay
 * unchanged, so that the next `make up` deploys the working tree again.
 *
 * @returns what was done, for the reader
 * @throws UserError if there is nothing to go back to, or with the CLI's diagnostics
 */
export async function rollback(settings: Settings, state: State): Promise<string> {
  let result = "";
  await runSteps([
    {
      name: "Roll back",
      run: async (progress) => {
        const pulumi = new Pulumi(settings, state, progress);
        const { release, releases } = await pulumi.outputs();
        const wanted = formerRelease(releases as ReleaseState | undefined);
        if (wanted === undefined)
          throw new UserError(
            "Nothing was changed: there is no former release to go back to: the other slot is empty.",
          );
        const started = performance.now();
        await pulumi.up(settingsOf(wanted));
        const seconds = ((performance.now() - started) / 1000).toFixed(1);
        result = `\nrelease ${String(release)} -> ${wanted.release} in ${seconds} s, without a build. \`make rollback\` again goes forward. The settings still describe release ${String(release)}: the next \`make up\` or \`pulumi up\` deploys it again.\n`;
        return undefined;
      },
    },
  ]);
  return result;
}
