// No source map: the bundle is not minified, and Node keeps 48 MB of heap for this one's map.
// Bundles the service into dist/ (or the directory given): one file, the migrations beside it. The image then needs no node_modules.
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here("dist");
rmSync(out, { recursive: true, force: true });
const options = {
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  // pg asks for these only where they are installed.
  external: ["pg-native", "pg-cloudflare"],
  banner: {
    // Some dependencies are CommonJS and call require() for Node's own modules.
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
};
await build({ ...options, entryPoints: [here("src/main.ts")], outfile: join(out, "main.js") });
// What an auditor runs: it takes nothing from the service and needs nothing but Node, wherever the file is put.
await build({ ...options, entryPoints: [here("src/verify-main.ts")], outfile: join(out, "verify.js"), banner: {} });
cpSync(here("migrations"), join(out, "migrations"), { recursive: true });
