import { formerRelease, type ReleaseState, type SlotRelease } from "../../lib/release-state";
import { Failure } from "./failure";

/**
 * The former release. Deploying it with {@link settingsOf} only starts and promotes it, on a cluster pod by pod.
 *
 * @throws Failure if there is none
 */
export function rollbackTo(releases: ReleaseState | undefined): SlotRelease {
  const former = formerRelease(releases);
  if (former === undefined) throw new Failure("there is no former release to go back to");
  return former;
}
