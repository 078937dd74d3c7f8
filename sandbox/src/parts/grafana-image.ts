import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError } from "../user-error.js";
import { keyOfDir } from "./keys.js";
import { offlineDir } from "./paths.js";

interface GrafanaBuild {
  buildContext(directory: string): Promise<void>;
}

/**
 * Bundles Grafana's stand-in into a build context of its own and hands it to `use`; the context's key covers
 * everything that is in the bundle, its npm packages included.
 */
export async function withGrafanaContext<T>(use: (context: string, key: string) => Promise<T>): Promise<T> {
  const script = join(offlineDir, "grafana", "build.ts");
  const context = mkdtempSync(join(tmpdir(), "audit-sandbox-grafana-"));
  try {
    // By name at run time: where the genuine image is pulled, the bundler is never loaded.
    const { buildContext } = (await import(pathToFileURL(script).href)) as GrafanaBuild;
    await buildContext(context);
    return await use(context, keyOfDir(context));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new UserError(`Could not bundle Grafana's stand-in: ${error.message}. Run \`npm ci\` and try again.`);
    }
    throw error;
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}
