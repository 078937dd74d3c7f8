import { readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { commandLine, type DockerRun } from "../../lib/shell";

/** A line by which a script includes another of its directory. */
const INCLUDE = /^\. \.\/(\S+)$/gm;
/** A line that is a comment. None of the scripts has such a line inside a text. */
const COMMENT = /^\s*#.*\n/gm;

/**
 * The text of a script in this directory, or at a path from it. Includes are replaced by their text, because the files
 * do not exist on the host. Comments are left out, so that another comment is no change of what is deployed.
 */
export function scriptText(file: string): string {
  return readFileSync(join(__dirname, file), "utf8")
    .replace(COMMENT, "")
    .replace(INCLUDE, (_, part: string) => scriptText(part));
}

/** The words of a command that runs a script anywhere: the command contains the script's text. */
export function scriptWords(file: string, args: readonly (string | number)[] = []): string[] {
  return ["sh", "-c", scriptText(file), basename(file), ...args.map(String)];
}

/** A one-shot container that runs a script. */
export function scriptInImage(
  file: string,
  args: readonly (string | number)[] = [],
): Pick<DockerRun, "entrypoint" | "command"> {
  const [entrypoint, ...command] = scriptWords(file, args);
  return { entrypoint, command };
}

/**
 * The shell line that runs a script. Other users of the host can read arguments and environment, so nothing secret goes
 * into them.
 */
export function scriptLine(
  file: string,
  args: readonly (string | number)[] = [],
  environment: Readonly<Record<string, string | number>> = {},
): string {
  const set = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
  return commandLine([...(set.length === 0 ? [] : ["env", ...set]), ...scriptWords(file, args)]);
}
