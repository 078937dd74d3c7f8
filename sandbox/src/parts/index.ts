/** Every part of the sandbox, from where it can be had: from its vendor where that answers, else from package registries. */
export { decideWays } from "./ways.js";
export { ensureImage, type ImagePart } from "./images.js";
export { ensureTool, type ToolPart } from "./tools.js";
export type { ImageName, Part, Progress, ToolName, Way, Ways } from "./types.js";
