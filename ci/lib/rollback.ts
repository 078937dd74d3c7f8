import { formerRelease, type ReleaseState, type SlotRelease } from "../../lib/release-state";
import { Failure } from "./failure";

/** The release that served before; deployed with {@link settingsOf}, going back is a start and a promotion. @throws Failure */
export function rollbackTo(releases: ReleaseState | undefined): SlotRelease {
  const former = formerRelease(releases);
  if (former === undefined) throw new Failure("there is no former release to go back to: the other slot is empty");
  return former;
}
