import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Properties } from "../framework/values.js";

// How the protocol marks assets and archives (sdk/go/common/resource/sig/sig.go of the CLI).
const signature = "4dabf18193072939515e22adb298388d";
const assetSignature = "c44067f5952c0a294b673a41bacd8c17";
const archiveSignature = "0def7320c3a5731c473e5ecbe6d01bc7";

/** The files that `assetPaths` name, by their path relative to the directory. */
export async function collectAssets(directory: string, globs: readonly string[]): Promise<Properties> {
  const paths = await matchingFiles(directory, globs);
  const assets = await Promise.all(
    paths.map(async (path): Promise<[string, Properties]> => {
      const file = join(directory, path);
      const hash = createHash("sha256")
        .update(await readFile(file))
        .digest("hex");
      return [path, { [signature]: assetSignature, hash, path: file }];
    }),
  );
  return Object.fromEntries(assets);
}

/** The files that `archivePaths` name, as one archive. */
export async function collectArchive(directory: string, globs: readonly string[]): Promise<Properties> {
  return { [signature]: archiveSignature, assets: await collectAssets(directory, globs) };
}

/** Files only; the rules apply in their order, and one that begins with `!` takes files out again. */
async function matchingFiles(directory: string, globs: readonly string[]): Promise<string[]> {
  const rules = globs.map((glob) => {
    const excludes = glob.startsWith("!");
    return { excludes, pattern: globPattern(excludes ? glob.slice(1) : glob) };
  });
  const found: string[] = [];
  const walk = async (prefix: string): Promise<void> => {
    for (const entry of await readdir(join(directory, prefix), { withFileTypes: true })) {
      const path = prefix + entry.name;
      if (entry.isDirectory()) await walk(`${path}/`);
      else if (rules.reduce((taken, { excludes, pattern }) => (pattern.test(path) ? !excludes : taken), false)) {
        found.push(path);
      }
    }
  };
  await walk("");
  return found.sort();
}

/** `*` and `?` stop at a slash, `**` does not; `[…]`, `[!…]`, `{a,b}` and backslashes as in github.com/gobwas/glob. */
export function globPattern(glob: string): RegExp {
  let source = "";
  let alternatives = 0;
  for (let index = 0; index < glob.length; index++) {
    const character = glob.charAt(index);
    const set = character === "[" ? /^\[(!?)((?:\\.|[^\]\\])+)\]/.exec(glob.slice(index)) : null;
    if (character === "*" && glob.charAt(index + 1) === "*") {
      source += ".*";
      index++;
    } else if (character === "*") source += "[^/]*";
    else if (character === "?") source += "[^/]";
    else if (set) {
      source += `[${set[1] === "!" ? "^" : ""}${(set[2] ?? "").replaceAll("[", "\\[").replaceAll("^", "\\^")}]`;
      index += set[0].length - 1;
    } else if (character === "{") {
      source += "(?:";
      alternatives++;
    } else if (character === "}" && alternatives > 0) {
      source += ")";
      alternatives--;
    } else if (character === "," && alternatives > 0) source += "|";
    else if (character === "\\" && index + 1 < glob.length) source += escaped(glob.charAt(++index));
    else source += escaped(character);
  }
  if (alternatives > 0) throw new Error(`the pattern ${JSON.stringify(glob)} has a { without a }`);
  return new RegExp(`^${source}$`, "s");
}

function escaped(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/, "\\$&");
}
