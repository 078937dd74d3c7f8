import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCli } from "../cli/cli";
import { Interrupts } from "../cli/interrupts";

/**
 * Writes the help of each command into docs/audit.md, where a block of code follows a line
 * `<!-- audit … --help -->`. The rest of that page is written by hand.
 *
 *   node --import tsx tools/write-commands.ts
 */

export const COMMANDS_PAGE = join(__dirname, "../docs/audit.md");

const BLOCK = /(<!-- audit ([^>]*?) ?--help -->\n\n```text\n)[^]*?\n(```)/g;

/** The page with the help as the program gives it now. */
export async function withHelp(page: string): Promise<string> {
  const wanted = [...page.matchAll(BLOCK)].map(([, , command = ""]) => command);
  const texts = new Map<string, string>();
  for (const command of wanted) texts.set(command, await helpOf(command.split(" ").filter(Boolean)));
  return page.replace(
    BLOCK,
    (_, head: string, command: string, end: string) => `${head}${texts.get(command) ?? ""}${end}`,
  );
}

async function helpOf(argv: readonly string[]): Promise<string> {
  let text = "";
  const streams = { out: (more: string) => void (text += more), err: () => undefined, terminal: false };
  // Less than a page's 120 characters, so that a reader's window need not scroll.
  const env = { COLUMNS: "110" };
  await runCli({ argv: [...argv, "--help"], env, cwd: __dirname, streams, interrupts: new Interrupts() });
  return text.replace(/[ \t]+$/gm, "").trimEnd().concat("\n"); // prettier-ignore
}

if (require.main === module)
  void withHelp(readFileSync(COMMANDS_PAGE, "utf8")).then((page) => writeFileSync(COMMANDS_PAGE, page));
