import { existsSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./exec";

/**
 * With checksums in the repository ci/prepare.sh has installed the plugins, and the CLI must not fetch others itself.
 */
export const pluginEnvironment = (root = ROOT): Record<string, string> =>
  existsSync(join(root, "ci/checksums.txt")) ? { PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true" } : {};
