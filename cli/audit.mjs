#!/usr/bin/env node
// `audit`: in this repository it runs TypeScript, in the package what is compiled.
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const compiled = new URL("main.js", import.meta.url);
if (existsSync(fileURLToPath(compiled))) {
  await import(compiled.href);
} else {
  await import("tsx");
  await import("./main.ts");
}
