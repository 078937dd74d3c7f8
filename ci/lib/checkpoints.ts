import { Failure, oneLineOf, optional, reason, required, type Job } from "./failure";
import { stackName } from "./stack";

/** File of a checkpoint, in the job's artifact and in the package registry. */
export const CHECKPOINT = "checkpoint";

/** Where the job `witness` keeps the checkpoints that it saw, outside of what it watches over. */
export interface Checkpoints {
  /** For messages. */
  readonly where: string;
  /** The last one; undefined if there is none. */
  last(): Promise<string | undefined>;
  /** Keeps another one. */
  keep(checkpoint: string): Promise<void>;
}

/**
 * Checkpoints in GitLab, reached by the job's own token. `WITNESS_KEEP`, a variable of the schedule, says where:
 * `package`, the default, is the project's generic package registry, with one version for each size of the log; with
 * `artifact` the last one is that of the last successful job, which GitLab gives a job only in its paid editions.
 */
export function checkpointsOf(job: Job): Checkpoints {
  const { env } = job;
  const keep = oneLineOf(env, "WITNESS_KEEP") ?? "package";
  const api = required(env, "CI_API_V4_URL", "GitLab sets it in every job").replace(/\/+$/, "");
  const project = `${api}/projects/${encodeURIComponent(required(env, "CI_PROJECT_ID", "GitLab sets it in every job"))}`;
  const token = required(env, "CI_JOB_TOKEN", "GitLab sets it in every job");
  const ask = async (method: string, url: string, body?: string): Promise<string | undefined> => {
    let response: Response;
    try {
      response = await fetch(url, {
        ...{ method, body, headers: { "job-token": token }, signal: AbortSignal.timeout(30_000) },
      });
    } catch (error) {
      throw new Failure(`GitLab's API at ${api} does not answer: ${reason(error)}`);
    }
    if (response.status === 404 && method === "GET") return undefined;
    if (!response.ok)
      throw new Failure(
        `GitLab answered ${response.status} to ${method} ${url.slice(api.length)}; the job's token needs the package registry (Settings > General > Visibility), or set WITNESS_KEEP to artifact`,
      );
    return response.text();
  };
  if (keep === "artifact") {
    const ref = encodeURIComponent(required(env, "CI_COMMIT_REF_NAME", "GitLab sets it in every job"));
    return {
      where: "the artifact of the last successful job witness",
      last: () => ask("GET", `${project}/jobs/artifacts/${ref}/raw/build/witness/${CHECKPOINT}?job=witness`),
      // The job's definition does.
      keep: () => Promise.resolve(),
    };
  }
  if (keep !== "package") throw new Failure(`WITNESS_KEEP is ${keep}; set it to package or artifact, or remove it`);
  const name = `audit-log-${stackName(job)}`;
  const fileOf = (version: string) => `${project}/packages/generic/${name}/${version}/${CHECKPOINT}`;
  return {
    where: `the package ${name} of the project's package registry`,
    last: async () => {
      const query = `package_type=generic&package_name=${name}&order_by=created_at&sort=desc&per_page=100`;
      const found = JSON.parse((await ask("GET", `${project}/packages?${query}`)) ?? "[]") as Package[];
      // GitLab also finds names that only begin so.
      const newest = found.find((one) => one.name === name);
      return newest && ask("GET", fileOf(newest.version));
    },
    keep: async (checkpoint) => {
      await ask("PUT", fileOf(`0.0.${sizeOf(checkpoint)}`), checkpoint);
    },
  };
}

interface Package {
  name: string;
  version: string;
}

/** The number of entries that a checkpoint covers: its second line. */
export const sizeOf = (checkpoint: string): number => Number(checkpoint.split("\n")[1]);

/** Whether this is a run that may begin without an earlier checkpoint. */
export const isFirst = ({ env }: Job): boolean => optional(env, "WITNESS_FIRST") === "true";
