/**
 * What the sandbox calls to have its artifacts from package registries alone. Beside this, it may import `lib/`, the ground that both stand on,
 * and tests may import `testing.ts`; everything else in this folder is its own affair.
 */
export { goTool, hostNeedsFiles, isDerived, makeImage, type BuilderContext } from "./builders/images.js";
export { npmArch } from "./builders/npm-packages.js";
export { installPlugins } from "./plugins/install.js";
