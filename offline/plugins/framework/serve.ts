import { bridged } from "./bridged.js";
import { serve } from "./server.js";
import type { ProviderClass, ProviderSpec } from "./types.js";

/**
 * Serves a provider until the engine ends the process: prints the port, answers the protocol, ends at SIGTERM.
 * A plugin's `main.ts` calls it once and does nothing else at its top level, for the sake of the start-up time.
 */
export function serveProvider<P extends ProviderClass, Ctx>(spec: ProviderSpec<P, Ctx>): void {
  serve(bridged(spec));
}
