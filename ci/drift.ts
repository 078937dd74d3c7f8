/** Schedule: compares what is there with what the program wants; red, with the differences, when somebody changed it by hand. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, runJob, type Job } from "./lib/failure";
import { settingsOf } from "./lib/rollback";
import { mask } from "./lib/secrets";
import { configFlags, failed, Stack } from "./lib/stack";
import { summary } from "./preview";

export async function drift(job: Job, exec: Exec, root = ROOT): Promise<void> {
  await Stack.with(job, "drift", exec, async (stack) => {
    const { releases } = await stack.outputs();
    const serving = releases?.slots[releases.active];
    if (serving === undefined)
      throw new Failure(`stack ${stack.name} was never deployed, so there is nothing to compare`);
    const args = [
      ...["preview", "--refresh", "--diff", "--expect-no-changes", "--suppress-progress"],
      ...configFlags(settingsOf(serving)),
    ];
    const result = await stack.run(args);
    mkdirSync(join(root, "build"), { recursive: true });
    writeFileSync(join(root, "build/drift.txt"), `${mask(result.all).trim()}\n`);
    if (result.code === 0) {
      job.say("no drift");
      return;
    }
    if (!/no changes were expected/i.test(result.all)) throw failed("compare", result.all);
    throw new Failure(
      `the installation differs from the program (${summary(result.all)}); see above or build/drift.txt, then deploy again or change the program`,
    );
  });
}

if (require.main === module) runJob((job) => drift(job, realExec));
