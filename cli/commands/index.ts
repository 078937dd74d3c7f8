import type { AnyCommand } from "../command";
import { doctor } from "./doctor";
import { init } from "./init";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AnyCommand[] = [init, doctor];
