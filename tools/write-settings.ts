import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { format, resolveConfig } from "prettier";
import { referencePage, withConfig } from "../config/reference";

/**
 * Generates the `config` of Pulumi.yaml and docs/settings.md from config/*.ts. With `--check` it writes nothing, and
 * exits with 1 if one of them differs.
 */

const root = join(__dirname, "..");
const check = process.argv.includes("--check");

const read = (path: string): string => {
  try {
    return readFileSync(join(root, path), "utf8");
  } catch {
    return "";
  }
};

async function main(): Promise<void> {
  const page = join(root, "docs/settings.md");
  const wanted = {
    "Pulumi.yaml": withConfig(read("Pulumi.yaml")),
    "docs/settings.md": await format(referencePage(), { ...(await resolveConfig(page)), filepath: page }),
  };
  for (const [path, text] of Object.entries(wanted)) {
    if (read(path) === text) continue;
    if (check) {
      console.error(`error: ${path} differs from the settings in config/*.ts; run \`npm run settings\` and commit it`);
      process.exitCode = 1;
    } else {
      writeFileSync(join(root, path), text);
      console.log(`${path} written`);
    }
  }
}

void main();
