"use strict";
/**
 * What Node loads before the program (`nodeargs` in Pulumi.yaml): tsx for this repository's TypeScript, and lazy-parsers.ts.
 *
 * tsx also reads every JavaScript file, in case it is an ES module. No package that this CommonJS program loads is one, so packages are
 * left to Node: 600 files, and a third of the program's start (docs/decisions/0157).
 */
const Module = require("node:module");
const { join, sep } = require("node:path");

// From Node 22 on compiled code is kept between runs. Not in Node's default place, which anybody on the machine may write to.
Module.enableCompileCache?.(join(__dirname, "../node_modules/.cache/node"));

const byNode = Module._extensions[".js"];
require("tsx/cjs");
const byTsx = Module._extensions[".js"];
const inPackage = `${sep}node_modules${sep}`;

Module._extensions[".js"] = function (module, filename) {
  (filename.includes(inPackage) ? byNode : byTsx).call(this, module, filename);
};

require("./lazy-parsers.ts");
