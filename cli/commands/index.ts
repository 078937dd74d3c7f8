import type { AnyCommand } from "../command";
import { doctor } from "./doctor";
import { events } from "./events";
import { exec } from "./exec";
import { history } from "./history";
import { init } from "./init";
import { logs } from "./logs";
import { psql } from "./psql";
import { rollback } from "./rollback";
import { status } from "./status";

/** Every command, in the order of the help. */
export const COMMANDS: readonly AnyCommand[] = [
  ...[init, doctor],
  ...[status, logs, exec, psql, events, history, rollback],
];
