import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import type { Assets } from "./server/pages.js";

const HERE = dirname(fileURLToPath(import.meta.url));

/** Bundles web/ into one script and one style sheet; nothing is loaded from elsewhere when the page runs. */
export async function bundleAssets(): Promise<Assets> {
  const result = await build({
    entryPoints: { app: join(HERE, "web/main.ts") },
    bundle: true,
    write: false,
    minify: true,
    outdir: "/",
    format: "iife",
    target: "es2022",
    loader: { ".css": "css" },
    logLevel: "silent",
  });
  const find = (ending: string) => {
    const file = result.outputFiles.find(({ path }) => path.endsWith(ending));
    if (file === undefined) throw new Error(`esbuild made no ${ending} of web/main.ts`);
    return file.text;
  };
  return { script: find(".js"), style: find(".css") };
}

/** Writes a build context for `docker build` into `directory`: the Dockerfile and the server as one file. */
export async function buildContext(directory: string): Promise<void> {
  const assets = await bundleAssets();
  await mkdir(directory, { recursive: true });
  const result = await build({
    entryPoints: [join(HERE, "server/main.ts")],
    bundle: true,
    write: false,
    platform: "node",
    format: "cjs",
    target: "node20",
    define: { PREVIEW_ASSETS: JSON.stringify(assets) },
    logLevel: "silent",
  });
  await writeFile(join(directory, "server.cjs"), result.outputFiles[0]?.contents ?? "");
  await copyFile(join(HERE, "Dockerfile"), join(directory, "Dockerfile"));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = process.argv[2];
  if (directory === undefined) {
    console.error("usage: node --import tsx offline/grafana/build.ts DIRECTORY");
    process.exit(2);
  }
  await buildContext(directory);
}
