import { KEYS } from "../../../config/keys";
import { nameArguments } from "../../../lib/argument-names";

/** Makes messages in the calling suite name this program's configuration keys, as in a deploy. */
export function messagesNameKeys(): void {
  before(() => nameArguments(KEYS));
  after(() => nameArguments({}));
}
