/**
 * Shows what runs, on one screen: `audit status` with the job's logins. It changes nothing, and fails if something is
 * wrong. Variables: see lib/stack.ts.
 */
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { Failure, runJob, type Job } from "./lib/failure";
import { Stack } from "./lib/stack";

export function status(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const work = async (stack: Stack): Promise<void> => {
    if ((await stack.audit(["status"])) !== 0)
      throw new Failure("something is wrong, see above; docs/runbook.md has a section for each alert");
  };
  return Stack.with(job, exec, work, root);
}

if (require.main === module) runJob((job) => status(job, realExec));
