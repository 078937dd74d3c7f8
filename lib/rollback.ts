import { writeRecord } from "./deploy-record";
import { formerRelease, settingsOf, type ReleaseSettings, type ReleaseState, type SlotRelease } from "./release-state";

/** A rollback, for `pulumi up` with these settings and this message: on a VM a start and a promotion. */
export interface Rollback {
  /** The release that is active. */
  readonly from: string | undefined;
  readonly to: SlotRelease;
  readonly settings: ReleaseSettings;
  /** The deploy's record. */
  readonly message: string;
}

export const NO_FORMER_RELEASE = "there is no former release to go back to";

/**
 * The way back to the former release: of the pipeline's job `rollback`, `audit rollback` and `make rollback` alike. No
 * setting changes, so the next deploy of the settings goes forward again.
 *
 * @param outputs of the stack
 * @param caller the record's words: from which version, by whom, and where
 * @returns undefined if there is no former release, see {@link NO_FORMER_RELEASE}
 */
export function planRollback(
  { release: from, releases }: { release?: string; releases?: ReleaseState },
  { version, by, place }: { version?: string; by: string; place: string },
): Rollback | undefined {
  const to = formerRelease(releases);
  if (to === undefined) return undefined;
  const what = version === undefined ? "rollback" : `rollback from ${version}`;
  return { from, to, settings: settingsOf(to), message: writeRecord({ what, by, from, place }, to) };
}
