/** The `runtime.options` of Pulumi.yaml that affect how the program runs. */
export interface RuntimeOptions {
  /** Whether the SDK loads ts-node; true when not given. */
  readonly typescript: boolean;
  /** Where ts-node finds its tsconfig.json; empty: where it looks by itself. */
  readonly tsconfig: string;
  /** Arguments for Node, before the program. */
  readonly nodeargs: readonly string[];
}

/** @throws Error that names the option which is of a wrong type */
export function parseOptions(options: Readonly<Record<string, unknown>>): RuntimeOptions {
  const { typescript = true, tsconfig = "", nodeargs = "", packagemanager = "auto" } = options;
  if (typeof typescript !== "boolean") throw new Error("typescript option must be a boolean");
  if (typeof tsconfig !== "string") throw new Error("tsconfigpath option must be a string");
  if (typeof nodeargs !== "string") throw new Error("nodeargs option must be a string");
  if (packagemanager !== "auto" && packagemanager !== "npm") {
    throw new Error("packagemanager option: the sandbox's language host knows npm only");
  }
  return { typescript, tsconfig, nodeargs: splitWords(nodeargs) };
}

/** Splits like a shell, with quotes and backslashes but no other shell syntax. */
export function splitWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  let quote = "";
  for (let index = 0; index < line.length; index++) {
    const character = line.charAt(index);
    if (quote === "" && /\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (quote === "" && (character === "'" || character === '"')) {
      quote = character;
      word ??= "";
    } else if (character === quote) {
      quote = "";
    } else if (character === "\\" && quote !== "'" && index + 1 < line.length) {
      index++;
      word = (word ?? "") + line.charAt(index);
    } else {
      word = (word ?? "") + character;
    }
  }
  if (quote !== "") throw new Error(`nodeargs option: a ${quote} is not closed`);
  if (word !== undefined) words.push(word);
  return words;
}
