/**
 * Draws what a command leaves on a terminal, as an SVG for a page. The command really runs, in a pseudo-terminal that
 * `script` (Debian: bsdutils) gives it.
 *
 *   eval "$(make -s env)"
 *   node --import tsx tools/terminal-picture.ts docs/pictures/audit-status.svg npx audit status
 *   node --import tsx tools/terminal-picture.ts docs/pictures/make-up.svg make up
 */
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

const COLUMNS = 110;
const ROWS = 70;
/** Pixels of a character, and around the text. */
const [WIDTH, HEIGHT, MARGIN] = [7.8, 18, 16];
const [PAPER, INK, DIM] = ["#0d1117", "#d1d7e0", "#8b949e"];
/** By SGR code. */
const COLOURS: Readonly<Record<number, string>> = {
  ...{ 31: "#ff7b72", 32: "#56d364", 33: "#e3b341", 34: "#79c0ff", 35: "#d2a8ff", 36: "#76e3ea", 90: DIM },
};

interface Look {
  readonly colour: string;
  readonly bold: boolean;
}

interface Cell extends Look {
  readonly character: string;
}

const PLAIN: Look = { colour: INK, bold: false };

/** Runs a command in a terminal. @returns all that it wrote */
function writtenBy(command: readonly string[]): string {
  const line = `stty cols ${COLUMNS} rows ${ROWS}; exec ${command.join(" ")}`;
  const env = { ...process.env, TERM: "xterm-256color" };
  return execFileSync("script", ["--quiet", "--return", "--command", line, "/dev/null"], {
    ...{ encoding: "utf8", env, maxBuffer: 100_000_000 },
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/**
 * What is left on the terminal. Of the control sequences it knows those that programs use which redraw the last lines:
 * cursor up and to a column, erase a line and what is below, colours, bold and dim.
 */
export function leftOnTerminal(written: string): readonly (readonly Cell[])[] {
  const lines: Cell[][] = [[]];
  let [row, column, look] = [0, 0, PLAIN];
  const line = (): Cell[] => (lines[row] ??= []);
  // eslint-disable-next-line no-control-regex -- control sequences of a terminal
  for (const [piece, parameters = "", final] of written.matchAll(/\u001b\[([?\d;]*)([A-Za-z])|[^]/gu)) {
    const count = Number(parameters) || 1;
    if (final === "m") look = parameters.split(";").map(Number).reduce(changed, look);
    else if (final === "A") row = Math.max(0, row - count);
    else if (final === "G") column = count - 1;
    else if (final === "K") line().length = parameters === "2" ? 0 : Math.min(line().length, column);
    else if (final === "J") lines.length = row + 1;
    else if (final !== undefined || piece === "\u001b") continue;
    else if (piece === "\r") column = 0;
    else if (piece === "\n") row += 1;
    else {
      if (column === COLUMNS) [row, column] = [row + 1, 0];
      while (line().length < column) line().push({ ...PLAIN, character: " " });
      line()[column] = { ...look, character: piece };
      column += 1;
    }
  }
  while (lines.at(-1)?.every(({ character }) => character === " ")) lines.pop();
  return Array.from(lines, (cells) => cells ?? []);
}

/** SGR codes: https://en.wikipedia.org/wiki/ANSI_escape_code#Select_Graphic_Rendition_parameters */
function changed(look: Look, code: number): Look {
  if (code === 0) return PLAIN;
  if (code === 1) return { ...look, bold: true };
  if (code === 2) return { ...look, colour: DIM };
  if (code === 22) return { colour: look.colour === DIM ? INK : look.colour, bold: false };
  if (code === 39) return { ...look, colour: INK };
  return { ...look, colour: COLOURS[code] ?? look.colour };
}

export function svgOf(title: string, left: readonly (readonly Cell[])[]): string {
  const prompt = [...`$ ${title}`].map((character, at) => ({ character, colour: at === 0 ? DIM : INK, bold: at > 0 }));
  const lines = [prompt, ...left];
  const rows = lines.map(
    (cells, row) => `<text y="${MARGIN + (row + 1) * HEIGHT - 5}">${runsOf(cells).map(span).join("")}</text>`,
  );
  const width = Math.ceil(2 * MARGIN + COLUMNS * WIDTH);
  const height = 2 * MARGIN + lines.length * HEIGHT;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${escaped(title)} in a terminal">
<rect width="100%" height="100%" rx="8" fill="${PAPER}"/>
<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13">
${rows.join("\n")}
</g>
</svg>
`;
}

interface Run extends Look {
  readonly column: number;
  text: string;
}

/** Neighbours of one look, without spaces before and after. */
function runsOf(cells: readonly Cell[]): Run[] {
  const runs: Run[] = [];
  cells.forEach(({ character, colour, bold }, column) => {
    const last = runs.at(-1);
    if (last?.colour === colour && last.bold === bold && last.column + [...last.text].length === column)
      last.text += character;
    else if (character !== " ") runs.push({ column, text: character, colour, bold });
  });
  for (const run of runs) run.text = run.text.trimEnd();
  return runs;
}

/** Its length is fixed, so that columns are straight in every font. */
function span({ column, text, colour, bold }: Run): string {
  const place = `x="${(MARGIN + column * WIDTH).toFixed(1)}" textLength="${([...text].length * WIDTH).toFixed(1)}"`;
  // Browsers make one of several blanks, whatever xml:space says, and stretch the rest to the length.
  const kept = escaped(text).replaceAll(" ", "\u00a0");
  return `<tspan ${place} fill="${colour}"${bold ? ' font-weight="bold"' : ""}>${kept}</tspan>`;
}

const escaped = (text: string): string => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);

if (require.main === module) {
  const [file = "", ...command] = process.argv.slice(2);
  if (!file.endsWith(".svg") || command.length === 0) throw new Error("usage: terminal-picture.ts FILE.svg COMMAND…");
  writeFileSync(file, svgOf(command.join(" "), leftOnTerminal(writtenBy(command))));
}
