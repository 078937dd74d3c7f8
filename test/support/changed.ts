import { spawnSync } from "node:child_process";

/** Where a CI names the revision that was tested before this one: SINCE is anybody's, the others are GitLab's. */
const BASES = ["SINCE", "CI_MERGE_REQUEST_DIFF_BASE_SHA", "CI_COMMIT_BEFORE_SHA"];

export interface Decision {
  readonly runs: boolean;
  /** For people: what it was decided by. */
  readonly why: string;
}

/**
 * Whether to run a costly suite that nobody has named: if what it depends on differs from the revision that was tested
 * before. A clone does not know that revision by itself, so without a name for it the suite is not run; a name that the
 * clone does not know could hide any change, so then it is.
 *
 * @param dependsOn files, and directories with a slash at the end
 */
export function decide(dependsOn: readonly string[], env: NodeJS.ProcessEnv, directory: string): Decision {
  const named = BASES.map((name) => ({ name, revision: env[name] ?? "" }));
  // GitLab gives zeros where there was none before.
  const base = named.find(({ revision }) => !/^0*$/.test(revision));
  if (base === undefined)
    return { runs: false, why: `for no revision is named that was tested before: ${BASES.join(", ")}` };
  const from = `${base.name}=${base.revision}`;
  const changed = filesChanged(base.revision, directory);
  if (changed === undefined) return { runs: true, why: `for this clone does not have ${from}` };
  const hit = changed.find((file) => dependsOn.some((one) => file === one || (one.endsWith("/") && file.startsWith(one)))); // prettier-ignore
  if (hit === undefined) return { runs: false, why: `for nothing that it depends on has changed since ${from}` };
  return { runs: true, why: `for ${hit} has changed since ${from}` };
}

/** Files of the working tree that differ from a revision, new ones too; undefined if git does not know it. */
function filesChanged(revision: string, directory: string): string[] | undefined {
  const git = (...args: string[]): string[] | undefined => {
    const { status, stdout } = spawnSync("git", args, { cwd: directory, encoding: "utf8" });
    return status === 0 ? stdout.split("\0").filter((file) => file !== "") : undefined;
  };
  if (git("rev-parse", "--quiet", "--verify", "--end-of-options", `${revision}^{commit}`) === undefined)
    return undefined;
  // Without renames a file that moved away counts by its former name as well.
  const differing = git("diff", "--name-only", "--no-renames", "-z", "--end-of-options", revision, "--");
  const added = git("ls-files", "--others", "--exclude-standard", "-z");
  return differing && added && [...differing, ...added];
}
