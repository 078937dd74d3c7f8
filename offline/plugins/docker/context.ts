import type { Engine } from "./engine.js";
import type { RegistryAuths } from "./registry.js";

/** What every operation of this plugin works with. */
export interface DockerContext {
  engine: Engine;
  auths: RegistryAuths;
}
