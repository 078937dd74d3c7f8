/**
 * For a merge request: shows what a deploy would change. The diff goes to the log, to build/preview.txt (an artifact),
 * and into one comment on the merge request. Run by the job `preview`.
 *
 * The program is unreviewed here, so it runs without any login, on the copy of the state that the last deploy published
 * (lib/copy.ts). Variables: those of lib/credentials.ts; GITLAB_TOKEN for the comment.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CopiedStack, publishedCopy, type Published } from "./lib/copy";
import { obtainCredentials, PRIVATE } from "./lib/credentials";
import { exec as realExec, ROOT, type Exec } from "./lib/exec";
import { optional, runJob, type Failure, type Job } from "./lib/failure";
import { codeBlock, keepComment } from "./lib/gitlab";
import { outputOf } from "./lib/placeholders";
import { mask } from "./lib/secrets";
import { failed, stackName } from "./lib/stack";

export async function preview(job: Job, exec: Exec, root = ROOT): Promise<void> {
  const { token, copy } = await whatAPreviewMayHave(job);
  const result = await CopiedStack.with(
    job,
    exec,
    async (stack) => {
      if (copy !== undefined) await stack.load(copy.state);
      // A merge request has no image yet, so the preview uses the deployed one and shows only the program's changes.
      const image = copy && outputOf(copy.state, "image");
      return stack.preview(["--diff"], typeof image === "string" ? { "audit:image": image } : {}, job.say);
    },
    root,
  );
  const text = mask(result.all).trim();
  mkdirSync(join(root, "build"), { recursive: true });
  writeFileSync(join(root, "build/preview.txt"), `${text}\n`);
  const failure = result.code === 0 ? undefined : failed("preview", result.all);
  await comment(job, token, text, failure, copy);
  if (failure !== undefined) throw failure;
}

/** The login to Vault is revoked before this returns, so that the program cannot use it. */
async function whatAPreviewMayHave(job: Job): Promise<{ token: string | undefined; copy: Published | undefined }> {
  const open = PRIVATE.filter((name) => optional(job.env, name) !== undefined);
  if (open.length > 0 && job.env.CI_COMMIT_REF_PROTECTED !== "true") {
    job.say(
      `warning: ${open.join(", ")} given to a branch that is not protected; protect the variable, or move it to Vault`,
    );
  }
  const credentials = await obtainCredentials(job, "preview");
  try {
    return { token: credentials.values.GITLAB_TOKEN, copy: await publishedCopy(job, credentials) };
  } finally {
    await credentials.vault.close();
  }
}

async function comment(
  { env, say, ...job }: Job,
  token: string | undefined,
  text: string,
  failure: Failure | undefined,
  copy: Published | undefined,
): Promise<void> {
  if (!env.CI_MERGE_REQUEST_IID) {
    say("comment: none, this is no merge request pipeline");
    return;
  }
  if (token === undefined) {
    say("comment: none, GITLAB_TOKEN is not set; the diff is in the artifact build/preview.txt");
    return;
  }
  const stack = stackName({ env, say, ...job });
  const rest = `the whole of it is in [build/preview.txt](${env.CI_JOB_URL ?? ""}/artifacts/file/build/preview.txt)`;
  const head = failure === undefined ? summary(text) : `**The preview failed.** ${mask(failure.message)}`;
  const made = `Commit ${env.CI_COMMIT_SHORT_SHA ?? "?"}, [job](${env.CI_JOB_URL ?? ""})`;
  const body = `### Pulumi preview of \`${stack}\`\n\n${head}\n\n<details><summary>Diff</summary>\n\n${codeBlock(text, rest)}\n\n</details>\n\n${limits(copy)}\n\n${made}`;
  const outcome = keepComment(env, token, `pulumi-preview:${stack}`, body);
  if (failure === undefined) say(`comment: ${await outcome}`);
  // Show the preview's own failure; the comment's failure would hide it.
  else await outcome.catch((error: unknown) => say(`comment: ${String(error)}`));
}

/** What the reader must know about such a preview. */
function limits(copy: Published | undefined): string {
  if (copy === undefined) {
    return "No deploy has published a copy of the stack's state yet, so everything is shown as new; the next deploy publishes one.";
  }
  return `Previewed on a copy of the state of "${copy.deploy}", in which every secret is a placeholder, and without any login. It does not show a change of a secret's value or of a certificate, what was changed by hand (the schedule \`drift\` does), or what a server would refuse.`;
}

/** The counts from the end of the CLI's report, as one line. */
export function summary(text: string): string {
  const lines = text.split("\n").map((line) => line.trim());
  const from = lines.findLastIndex((line) => line.startsWith("Resources:"));
  const counts = from < 0 ? [] : lines.slice(from + 1).filter((line) => /^([+~-]+\s*)?\d+ /.test(line));
  const changes = counts.filter((line) => !line.endsWith("unchanged"));
  return changes.length === 0 ? "Nothing would change." : `Would change: ${changes.join(", ")}.`;
}

if (require.main === module) runJob((job) => preview(job, realExec));
