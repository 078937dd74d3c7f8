import type { AnyCommand } from "../command";
import { doctor } from "./doctor";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AnyCommand[] = [doctor];
