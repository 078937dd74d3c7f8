/** What tests outside this folder may use. */
export { npmPackage } from "./builders/npm-packages.js";
export { installPackages, which } from "./lib/packages.js";
export { launchChromium } from "./test/support/chromium.js";
export { platformImage, ScratchContainer } from "./test/support/scratch-container.js";
