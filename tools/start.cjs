"use strict";
/**
 * What Node loads before the program (`nodeargs` in Pulumi.yaml): tsx for this repository's TypeScript, and lazy-parsers.ts.
 *
 * tsx would also transform every JavaScript file, in case it is an ES module. No package that this CommonJS program
 * loads is one, so Node loads packages itself: 600 files, a third of the program's start (docs/decisions/0157).
 */
const Module = require("node:module");
const { join, sep } = require("node:path");
const { inspect } = require("node:util");

// Node 22 and later cache compiled code between runs. Not in Node's default directory, which anybody on the machine may
// write to.
Module.enableCompileCache?.(join(__dirname, "../node_modules/.cache/node"));

const byNode = Module._extensions[".js"];
require("tsx/cjs");
const byTsx = Module._extensions[".js"];
const inPackage = `${sep}node_modules${sep}`;

Module._extensions[".js"] = function (module, filename) {
  (filename.includes(inPackage) ? byNode : byTsx).call(this, module, filename);
};

require("./lazy-parsers.ts");

// Node 20.20 never ends when it inspects, in colours, an error with a frame such as `node_modules/@pulumi/resource.ts`,
// and Pulumi's SDK does that with every error of a program: a bug would hang without a word (docs/decisions/0009).
if (Number(process.versions.node.split(".")[0]) < 22) {
  Object.defineProperty(Error.prototype, inspect.custom, {
    configurable: true,
    value() {
      return this.stack ?? String(this);
    },
  });
}
