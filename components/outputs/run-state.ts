import * as pulumi from "@pulumi/pulumi";
import type { Recreated } from "../vm/missing-resources";
import type { ReleaseState } from "../../lib/release-state";

/** What a run leaves for the next one. */
export interface RunState {
  /** Which slot serves, and what both hold; undefined before the first deploy has come to its end. */
  releases?: ReleaseState;
  /** Version of the service's login to PostgreSQL. */
  databasePasswordVersion?: number;
  /** Version of each holder's token that it was given last. */
  tokenVersions?: Readonly<Record<string, number>>;
  /** When the agents' secret_ids were issued, ISO 8601; there are none on a cluster. */
  secretIdsIssued?: string;
  /** What was made anew because its host had lost it, and how often; undefined as `releases` is. */
  recreated?: Recreated;
}

/** The stack's output that holds it; in earlier versions it held the slots alone. */
export const RUN_STATE = "releases";

/** Outputs of their own in earlier versions: read when the output above has not got them yet. */
const FORMERLY = ["databasePasswordVersion", "secretIdsIssued", "recreated"] as const;

/**
 * Outputs that stop a program of an earlier version before it changes anything. It does not know which parents resources have now, and
 * would make them anew beside themselves. It takes this for a version of the password that no other may follow.
 */
export const STOPS_EARLIER_VERSIONS = { databasePasswordVersion: -1 };

/** Reads the outputs of this stack as the last run that came to its end left them; each is undefined before the first. To be called once. */
export function lastOutputs(): (name: string) => Promise<unknown> {
  const self = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
  return async (name) => (await self.getOutputDetails(name)).value as unknown;
}

/** What the last run of this stack that came to its end left; nothing before the first. */
export async function lastRun(): Promise<RunState> {
  const read = lastOutputs();
  const found = (await read(RUN_STATE)) as (ReleaseState & Omit<RunState, "releases">) | undefined;
  if (found === undefined) return {};
  const { active, slots, ...rest } = found;
  if (rest.recreated !== undefined) return { ...rest, releases: { active, slots } };
  const [databasePasswordVersion, secretIdsIssued, recreated] = await Promise.all(FORMERLY.map(read));
  return { releases: { active, slots }, databasePasswordVersion, secretIdsIssued, recreated } as RunState;
}

/** The value of the output `releases`: known once everything that it tells of is done. */
export function forNextRun(state: {
  releases: pulumi.Input<ReleaseState>;
  databasePasswordVersion: pulumi.Input<number>;
  tokenVersions: pulumi.Input<Record<string, number>>;
  secretIdsIssued?: pulumi.Input<string>;
  recreated: pulumi.Input<Recreated>;
}): pulumi.Output<ReleaseState & Omit<RunState, "releases">> {
  return pulumi.output(state).apply(({ releases, ...rest }) => ({ ...releases, ...rest }));
}
