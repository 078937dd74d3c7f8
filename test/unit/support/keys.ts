import { KEYS } from "../../../config/keys";
import { nameArguments } from "../../../lib/argument-names";

/** In the suite that calls it messages name the keys of this program's configuration, as in a deploy. */
export function messagesNameKeys(): void {
  before(() => nameArguments(KEYS));
  after(() => nameArguments({}));
}
