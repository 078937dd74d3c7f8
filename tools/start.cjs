"use strict";
/**
 * What Node loads before the program (`nodeargs` in Pulumi.yaml): tsx for this repository's TypeScript, and lazy-packages.ts.
 *
 * tsx would also transform every JavaScript file, in case it is an ES module. No package that this CommonJS program
 * loads is one, so Node loads packages itself: 600 files, a third of the program's start (docs/decisions/0157).
 */
const Module = require("node:module");
const { join, sep } = require("node:path");

// Node 22 and later cache compiled code between runs. Not in Node's default directory, which anybody on the machine may
// write to.
Module.enableCompileCache?.(join(__dirname, "../node_modules/.cache/node"));

const byNode = Module._extensions[".js"];
require("tsx/cjs");
const byTsx = Module._extensions[".js"];
const inPackage = `${sep}node_modules${sep}`;

// Source maps are for the program's own files, which tsx minifies. Those of packages are large, and Node would read each
// of them at the start. They also name files so that Node 20.20 never ends when it shows an error (0193).
Module._extensions[".js"] = function (module, filename) {
  if (!filename.includes(inPackage)) return byTsx.call(this, module, filename);
  process.setSourceMapsEnabled(false);
  try {
    byNode.call(this, module, filename);
  } finally {
    process.setSourceMapsEnabled(true);
  }
};

require("./lazy-packages.ts");

// The SDK takes a stack trace of each of its promises, for a message that only PULUMI_DEBUG_PROMISE_LEAKS has it print.
// Node would map every one to the source (0193).
const debuggable = require("@pulumi/pulumi/runtime/debuggable");
const { debuggablePromise, debugPromiseLeaks } = debuggable;
if (!debugPromiseLeaks)
  debuggable.debuggablePromise = (...args) => {
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return debuggablePromise(...args);
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
  };
