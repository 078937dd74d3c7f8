import type { Engine } from "../docker.js";
import type { Progress } from "../display.js";
import type { Settings } from "../settings.js";
import type { State } from "../state.js";

/** What every platform service needs. */
export interface Context {
  settings: Settings;
  state: State;
  engine: Engine;
  progress: Progress;
}
