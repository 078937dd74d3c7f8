/** Every part of the sandbox, from where it can be had: from its vendor where that answers, else from package registries. */
export { ensureEngine, findEngine, stopEngine, type EnginePart } from "./engine.js";
export { ensureImage, type ImagePart } from "./images.js";
export { ensurePulumiHome, type PulumiHomePart } from "./pulumi-home.js";
export { ensureTool, type ToolPart } from "./tools.js";
export { decideWays } from "./ways.js";
export { toolNames, type Part, type ToolName } from "./types.js";
