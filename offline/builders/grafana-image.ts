import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { buildImage, openContext } from "../lib/docker.js";
import { keyOf, keyOfDir } from "../lib/keys.js";
import { cacheDir, offlineDir, rootDir } from "../lib/paths.js";
import { UserError } from "../lib/user-error.js";

const dir = join(offlineDir, "grafana");

/**
 * A key for the content of the stand-in's bundle. Bundling takes a second, so its result is cached by sources and npm
 * packages; a change of packages that are not in the bundle makes no new image.
 */
export async function grafanaKey(): Promise<string> {
  const sources = keyOf(
    keyOfDir(dir, (path) => path.includes(".test.")),
    readFileSync(join(rootDir, "package-lock.json"), "utf8"),
  );
  const remembered = join(cacheDir(), "keys", `grafana-${sources}`);
  if (existsSync(remembered)) return readFileSync(remembered, "utf8").trim();
  const key = await withContext((context) => Promise.resolve(keyOfDir(context)));
  mkdirSync(dirname(remembered), { recursive: true });
  writeFileSync(`${remembered}.${process.pid}.tmp`, `${key}\n`);
  renameSync(`${remembered}.${process.pid}.tmp`, remembered);
  return key;
}

/** Bundles Grafana's stand-in and builds its image on Node. */
export const buildGrafana = (ref: string, node: string): Promise<void> =>
  withContext((context) => buildImage("grafana", ref, context, { NODE_IMAGE: node }));

async function withContext<T>(use: (context: string) => Promise<T>): Promise<T> {
  const context = mkdtempSync(join(tmpdir(), "audit-sandbox-grafana-"));
  try {
    // Imported only here, so that the bundler is not loaded if the genuine image is pulled.
    const { buildContext } = await import("../grafana/build.js");
    await buildContext(context);
    await openContext(context);
    return await use(context);
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new UserError(`Could not bundle Grafana's stand-in: ${error.message}. Run \`npm ci\` and try again.`);
    }
    throw error;
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}
