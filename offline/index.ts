/**
 * What the sandbox calls to get its artifacts from package registries alone. Apart from this file, it may import only
 * `lib/`, which both share, and tests may import `testing.ts`; everything else in this folder is internal.
 */
export { goTool, hostNeedsFiles, isDerived, makeImage, type BuilderContext } from "./builders/images.js";
export { npmArch, npmPackage } from "./builders/npm-packages.js";
export { installPlugins } from "./plugins/install.js";
