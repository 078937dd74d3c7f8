import { scriptLine, scriptText, scriptWords } from "../host/script-file";

const at = (file: string): string => `../kubernetes/scripts/${file}`;

/**
 * The shell line that runs a script of scripts/ on the machine that deploys; nothing secret goes into arguments and
 * environment.
 */
export const clusterScript = (
  file: string,
  args: readonly (string | number)[] = [],
  environment: Readonly<Record<string, string | number>> = {},
): string => scriptLine(at(file), args, environment);

/** The words that run it in a container, whatever there is in the container. */
export const clusterScriptWords = (file: string, args: readonly (string | number)[] = []): string[] =>
  scriptWords(at(file), args);

/** Its text, for a container that has it as a file. */
export const clusterScriptText = (file: string): string => scriptText(at(file));
