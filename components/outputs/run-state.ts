import * as pulumi from "@pulumi/pulumi";
import type { Recreated } from "../vm/missing-resources";
import type { ReleaseState } from "../../lib/release-state";

/** What a run leaves for the next one. */
export interface RunState {
  /** Which slot is active, and what both hold; undefined until the first deploy has completed. */
  releases?: ReleaseState;
  /** Version of the service's login to PostgreSQL. */
  databasePasswordVersion?: number;
  /** The version of each holder's token that was handed out last. */
  tokenVersions?: Readonly<Record<string, number>>;
  /** When the agents' secret_ids were issued, ISO 8601; there are none on a cluster. */
  secretIdsIssued?: string;
  /** How often each missing resource was recreated; undefined when `releases` is. */
  recreated?: Recreated;
  /** The cluster's namespace that everything is in; there is none on a VM. */
  namespace?: string;
  /** The log's public keys, from an output of their own; undefined if there never was a log. */
  logKeys?: readonly string[];
}

/** The stack output that holds it; in earlier versions it held only the slots. */
export const RUN_STATE = "releases";

/** Separate outputs in earlier versions: read if the output above does not have them yet. */
const FORMERLY = ["databasePasswordVersion", "secretIdsIssued", "recreated"] as const;

/**
 * Outputs that stop a program of an earlier version before it changes anything. Such a program does not know the
 * resources' new parents and would create them a second time. It reads this as a password version that no other may
 * follow.
 */
export const STOPS_EARLIER_VERSIONS = { databasePasswordVersion: -1 };

/** Reads the outputs of this stack from the last completed run; each is undefined before the first. Call it once. */
export function lastOutputs(): (name: string) => Promise<unknown> {
  const self = new pulumi.StackReference(`${pulumi.getOrganization()}/${pulumi.getProject()}/${pulumi.getStack()}`);
  return async (name) => (await self.getOutputDetails(name)).value as unknown;
}

/** The state that the last completed run of this stack left; empty before the first. */
export async function lastRun(): Promise<RunState> {
  const read = lastOutputs();
  const found = (await read(RUN_STATE)) as (ReleaseState & Omit<RunState, "releases">) | undefined;
  if (found === undefined) return {};
  const { active, slots, ...inOne } = found;
  const logKeys = (await read("logKeys")) as RunState["logKeys"];
  const rest = logKeys === undefined ? inOne : { ...inOne, logKeys };
  if (rest.recreated !== undefined) return { ...rest, releases: { active, slots } };
  const [databasePasswordVersion, secretIdsIssued, recreated] = await Promise.all(FORMERLY.map(read));
  return { releases: { active, slots }, databasePasswordVersion, secretIdsIssued, recreated } as RunState;
}

/** The value of the output `releases`: known once everything in it is done. */
export function forNextRun(state: {
  releases: pulumi.Input<ReleaseState>;
  databasePasswordVersion: pulumi.Input<number>;
  tokenVersions: pulumi.Input<Record<string, number>>;
  secretIdsIssued?: pulumi.Input<string>;
  recreated: pulumi.Input<Recreated>;
  namespace?: string;
}): pulumi.Output<ReleaseState & Omit<RunState, "releases">> {
  return pulumi.output(state).apply(({ releases, ...rest }) => ({ ...releases, ...rest }));
}
