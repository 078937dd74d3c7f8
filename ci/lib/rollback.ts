import { formerRelease, type ReleaseState, type SlotRelease } from "../../components/release/release";
import { Failure } from "./failure";

/** Settings of a stack that make a release the wanted one, whatever its file says: for `pulumi up --config key=value`. */
export type ReleaseSettings = Readonly<
  Record<"audit:image" | "audit:replicas" | "audit:memory" | "audit:reloadOn", string>
>;

export const settingsOf = ({ image, replicas, memory, reloadOn = "admin" }: SlotRelease): ReleaseSettings => ({
  "audit:image": image,
  "audit:replicas": String(replicas),
  "audit:memory": String(memory),
  "audit:reloadOn": reloadOn,
});

/** The release that served before; deployed with {@link settingsOf}, going back is a start and a flip. @throws Failure */
export function rollbackTo(releases: ReleaseState | undefined): SlotRelease {
  const former = formerRelease(releases);
  if (former === undefined) throw new Failure("there is no former release to go back to: the other slot is empty");
  return former;
}
