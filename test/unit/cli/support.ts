import { tmpdir } from "node:os";
import { runCli } from "../../../cli/cli";
import type { AnyCommand } from "../../../cli/command";
import { Interrupts } from "../../../cli/interrupts";
import type { Env } from "../../../cli/project";

/** What a command line did. */
export interface Run {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface RunOptions {
  readonly env?: Env;
  readonly cwd?: string;
  readonly terminal?: boolean;
  /** Default: the real ones. */
  readonly commands?: readonly AnyCommand[];
  readonly interrupts?: Interrupts;
}

/** Runs a command line in this process. */
export async function audit(argv: readonly string[], options: RunOptions = {}): Promise<Run> {
  const {
    env = {},
    cwd = tmpdir(),
    terminal = false,
    commands,
    interrupts = new Interrupts(() => undefined),
  } = options;
  let [out, err] = ["", ""];
  const streams = { out: (text: string) => (out += text), err: (text: string) => (err += text), terminal };
  const code = await runCli({ argv, env, cwd, streams, interrupts }, commands);
  return { code, out, err };
}
