// Bundles the service into dist/: one file, the migrations beside it. The image then needs no node_modules.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
rmSync(here("dist"), { recursive: true, force: true });
await build({
  entryPoints: [here("src/main.ts")],
  outfile: here("dist/main.js"),
  bundle: true,
  platform: "node",
  target: "node20.19",
  format: "esm",
  // Names and lines for stack traces; the sources themselves would triple the size.
  sourcemap: "linked",
  sourcesContent: false,
  // pg asks for these only where they are installed.
  external: ["pg-native", "pg-cloudflare"],
  banner: {
    // Some dependencies are CommonJS and call require() for Node's own modules.
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  logLevel: "warning",
});
cpSync(here("migrations"), here("dist/migrations"), { recursive: true });
