import { readFileSync, statSync } from "node:fs";
import { parse } from "yaml";
import { CommandError, EXIT } from "../errors";

/** Bytes of a file of answers. */
const LARGEST = 1_000_000;

/** What the file for `--answers` holds. @throws CommandError if it is none */
export function readAnswersFile(file: string): unknown {
  const found = statSync(file, { throwIfNoEntry: false });
  if (found === undefined) throw new CommandError(`--answers ${file}: there is no such file`, EXIT.usage);
  // Not a device or a pipe without end, nor something else that would be read into memory.
  if (!found.isFile() || found.size > LARGEST)
    throw new CommandError(`--answers ${file} must be a file of at most ${LARGEST} bytes`, EXIT.usage);
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    const [said = ""] = (error as Error).message.split("\n");
    throw new CommandError(`--answers ${file} is neither YAML nor JSON: ${said.replace(/:$/, "")}`, EXIT.usage);
  }
}
