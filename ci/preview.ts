/**
 * Merge request: what a deploy would change. The diff goes to the log, to build/preview.txt (an artifact), and into one
 * comment on the merge request. Run by the job `preview`; variables: see lib/stack.ts, GITLAB_TOKEN for the comment.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { runJob, type Job } from "./lib/failure";
import { codeBlock, keepComment } from "./lib/gitlab";
import { mask } from "./lib/secrets";
import { failed, Stack } from "./lib/stack";

export async function preview(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const { env, say } = job;
  await Stack.with(job, "preview", exec, async (stack) => {
    // A merge request has no image yet: what is deployed stays, and only the program's changes are shown.
    const { image } = await stack.outputs();
    const pinned = image === undefined ? [] : ["--config", `audit:image=${image}`];
    const result = await stack.run(["preview", "--diff", "--suppress-progress", ...pinned]);
    const text = mask(result.all).trim();
    mkdirSync(join(root, "build"), { recursive: true });
    writeFileSync(join(root, "build/preview.txt"), `${text}\n`);
    const failure = result.code === 0 ? undefined : failed("preview", result.all);

    const token = stack.credentials.values.GITLAB_TOKEN;
    if (!env.CI_MERGE_REQUEST_IID) {
      say("comment: none, this is no merge request pipeline");
    } else if (token === undefined) {
      say("comment: none, GITLAB_TOKEN is not set; the diff is in the artifact build/preview.txt");
    } else {
      const rest = `the whole of it is in [build/preview.txt](${env.CI_JOB_URL ?? ""}/artifacts/file/build/preview.txt)`;
      const head = failure === undefined ? summary(text) : `**The preview failed.** ${mask(failure.message)}`;
      const made = `Commit ${env.CI_COMMIT_SHORT_SHA ?? "?"}, [job](${env.CI_JOB_URL ?? ""})`;
      const comment = `### Pulumi preview of \`${stack.name}\`\n\n${head}\n\n<details><summary>Diff</summary>\n\n${codeBlock(text, rest)}\n\n</details>\n\n${made}`;
      const outcome = keepComment(env, token, `pulumi-preview:${stack.name}`, comment);
      if (failure === undefined) say(`comment: ${await outcome}`);
      // The preview's own failure is the one to show; the comment's would hide it.
      else await outcome.catch((error: unknown) => say(`comment: ${String(error)}`));
    }
    if (failure !== undefined) throw failure;
  });
}

/** The counts at the end of the CLI's report, as one line. */
export function summary(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const from = lines.findLastIndex((line) => line.startsWith("Resources:"));
  const counts = from < 0 ? [] : lines.slice(from + 1).filter((line) => /^([+~-]+\s*)?\d+ /.test(line));
  const changes = counts.filter((line) => !line.endsWith("unchanged"));
  return changes.length === 0 ? "Nothing would change." : `Would change: ${changes.join(", ")}.`;
}

if (require.main === module) runJob((job) => preview(job, realExec));
