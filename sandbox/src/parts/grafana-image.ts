import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { UserError } from "../user-error.js";
import { buildImage } from "./docker.js";
import { keyOf, keyOfDir } from "./keys.js";
import { offlineDir, rootDir } from "./paths.js";

const dir = join(offlineDir, "grafana");

interface GrafanaBuild {
  readonly buildContext: (directory: string) => Promise<void>;
}

/** The sources of Grafana's stand-in, and the npm packages that its bundle takes in. */
export const grafanaKey = (): string =>
  keyOf(
    keyOfDir(dir, (path) => path.includes(".test.")),
    readFileSync(join(rootDir, "package-lock.json"), "utf8"),
  );

/** Bundles Grafana's stand-in and builds its image on Node. */
export async function buildGrafana(ref: string, node: string): Promise<void> {
  const context = mkdtempSync(join(tmpdir(), "audit-sandbox-grafana-"));
  try {
    // By name at run time: where the genuine image is pulled, the bundler is never loaded.
    const { buildContext } = (await import(pathToFileURL(join(dir, "build.ts")).href)) as GrafanaBuild;
    await buildContext(context);
    await buildImage("grafana", ref, context, { NODE_IMAGE: node });
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ERR_MODULE_NOT_FOUND") {
      throw new UserError(`Could not bundle Grafana's stand-in: ${error.message}. Run \`npm ci\` and try again.`);
    }
    throw error;
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}
