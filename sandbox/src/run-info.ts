import { UserError } from "../../offline/lib/user-error.js";
import type { State } from "./state.js";

/** What `make up` records for the other commands. Not secret. */
export interface RunInfo {
  /** The Docker Engine that the platform runs on. */
  engineHost: string;
  pulumiHome: string;
  /** Directories to prepend to PATH. */
  path: string[];
  /** From which source each artifact came, for the reader. */
  artifacts: Record<string, string>;
}

export const saveRunInfo = (state: State, info: RunInfo): string => state.writeJson("run.json", info);

/** @throws UserError if the sandbox was never up. */
export function readRunInfo(state: State): RunInfo {
  const info = state.readJson<RunInfo>("run.json");
  if (!info) throw new UserError("The sandbox is not up. Run `make up` first.");
  return info;
}
