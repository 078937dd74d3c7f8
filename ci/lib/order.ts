import { ROOT, type Exec } from "./exec";
import { Failure, oneLine, optional, required, type Job } from "./failure";

/**
 * An update of the stack as in `pulumi stack history --json`; the CLI records the commit of its directory by itself.
 */
export interface Update {
  readonly kind: string;
  readonly result: string;
  readonly startTime: string;
  readonly message: string;
  readonly environment?: Readonly<Record<string, string>>;
}

/** What a job deploys, as named in the record of the deploy and in GO_BACK_TO. */
export const deployedAs = (env: Job["env"]): string =>
  optional(env, "CI_COMMIT_TAG") ?? optional(env, "CI_COMMIT_SHORT_SHA") ?? "?";

/**
 * Refuses to replace the deployed release by an older one. That happens if two tags are pushed one after the other and
 * the first one's jobs run last. A commit is older if the deployed one descends from it; if neither descends from the
 * other, or both are the same, the older pipeline decides. To go back on purpose, set GO_BACK_TO to the name.
 *
 * @param history newest first; failed updates do not count as deployed
 * @throws Failure if it is older, or if the clone is too shallow to tell
 */
export async function refuseOlder(job: Job, exec: Exec, history: readonly Update[], root = ROOT): Promise<void> {
  const { env, say } = job;
  const last = history.find(({ kind, result }) => result === "succeeded" && (kind === "update" || kind === "destroy"));
  if (last === undefined || last.kind === "destroy") return;
  const name = deployedAs(env);
  const deployed = `"${last.message.split("\n")[0] ?? ""}" of ${last.startTime}`;
  if (optional(env, "GO_BACK_TO") === name) {
    say(`GO_BACK_TO names ${name}, so it may replace what is deployed, ${deployed}`);
    return;
  }
  const order = await ancestry(
    required(env, "CI_COMMIT_SHA", "GitLab sets it in every job"),
    last.environment?.["git.head"],
    exec,
    root,
  );
  const was = Number(/\/pipelines\/(\d+)$/.exec(last.message)?.[1]);
  const older = order === "older" || (order === "unknown" && Number(env.CI_PIPELINE_ID) < was);
  if (!older) return;
  throw new Failure(
    `${name} is older than what is deployed, ${deployed}, so it is not deployed; to go back on purpose start the job rollback, or run this pipeline again with GO_BACK_TO set to ${name}`,
  );
}

/** Is `commit` an ancestor of `other`, or its descendant? */
async function ancestry(
  commit: string,
  other: string | undefined,
  exec: Exec,
  root: string,
): Promise<"older" | "newer" | "unknown"> {
  if (other === undefined || other === commit) return "unknown";
  // The runner's clone may belong to a different user than the job.
  const git = (...args: string[]) => exec("git", ["-c", "safe.directory=*", ...args], { cwd: root });
  const there = await git("cat-file", "-e", `${other}^{commit}`);
  const shallow = await git("rev-parse", "--is-shallow-repository");
  if (shallow.stdout.trim() !== "false") {
    const why = oneLine(shallow.all) === "true" ? "its clone is shallow; set GIT_DEPTH to 0" : oneLine(shallow.all);
    throw new Failure(`the job cannot tell whether ${commit} is older than the deployed ${other}: ${why}`);
  }
  // Deployed from another repository, or by hand from a commit that was never pushed.
  if (there.code !== 0) return "unknown";
  const isAncestor = async (one: string, two: string): Promise<boolean> => {
    const result = await git("merge-base", "--is-ancestor", one, two);
    if (result.code > 1) throw new Failure(`git could not compare ${one} with ${two}: ${oneLine(result.all)}`);
    return result.code === 0;
  };
  if (await isAncestor(commit, other)) return "older";
  return (await isAncestor(other, commit)) ? "newer" : "unknown";
}
