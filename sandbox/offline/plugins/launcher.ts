/**
 * The executable of a plugin: runs `bundle.cjs` beside it.
 */
export const launcher = `#!/usr/bin/env node
"use strict";
require("./bundle.cjs");
`;

export async function prepareCodeCache(_executable: string): Promise<void> {
  // filled in below
}
