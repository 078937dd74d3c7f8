/** Every artifact of the sandbox: from its vendor if that is reachable, otherwise from package registries. */
export { ensureKind, ensureKubectl, ensureKubernetesPlugin, ensureVaultPlugin } from "./cluster.js";
export { ensureEngine, findEngine, stopEngine, type EngineArtifact } from "./engine.js";
export { ensureImage, type ImageArtifact } from "./images.js";
export { ensurePulumiHome, type PulumiHomeArtifact } from "./pulumi-home.js";
export { ensureTool, type ToolArtifact } from "./tools.js";
export { decideSources } from "./sources.js";
export { toolNames, type Artifact, type ToolName } from "./types.js";
