import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../command";
import { EXIT } from "../errors";
import type { Output } from "../output";
import { fit, harmless } from "../terminal";
import { Asked } from "./asked";
import { drawScreen, lookAt, type Screen } from "./screen";

/** Another screen of the terminal, without cursor, and back: what stood there before is there again. */
const ENTER = "\u001b[?1049h\u001b[?25l";
const LEAVE = "\u001b[?25h\u001b[?1049l";
const HOME = "\u001b[H";
const ERASE_LINE = "\u001b[K";
const ERASE_BELOW = "\u001b[J";

/** @param interval seconds between two looks; undefined: once */
export async function showStatus(context: Context, interval?: number): Promise<number> {
  const { output, interrupts } = context;
  // Nothing of the settings that is encrypted is needed here.
  const world = await context.world({ settings: "file" });
  const asked = new Asked(world);
  const look = async (): Promise<Screen> => drawScreen(await lookAt(asked), world.stack, new Date(), output.style);
  if (interval === undefined) {
    const screen = await look();
    output.answer(screen.value, screen.text);
    return screen.level === "bad" ? EXIT.failed : EXIT.ok;
  }
  const ended = new Promise<undefined>((end) => {
    interrupts.signal.addEventListener("abort", () => end(undefined), { once: true });
  });
  let last: Screen | undefined;
  if (output.live) output.draw(ENTER);
  try {
    while (!interrupts.signal.aborted) {
      // A look that Ctrl-C breaks off, because docker and ssh got it as well, would show a world that is not so.
      const screen = await Promise.race([look(), ended]);
      if (screen === undefined) break;
      last = screen;
      if (output.live) output.draw(redrawn(last.text, output));
      else output.answer(last.value, `${last.text}\n`);
      await sleep(interval * 1000, undefined, { signal: interrupts.signal }).catch(() => undefined);
    }
  } finally {
    if (output.live) {
      output.draw(LEAVE);
      if (last !== undefined) output.answer(last.value, last.text);
    }
  }
  return EXIT.interrupted;
}

/** What does not fit is left out: a terminal that scrolls would lose the top, where the verdict is. */
function redrawn(text: string, { columns, rows }: Pick<Output, "columns" | "rows">): string {
  const lines = text.split("\n").slice(0, rows - 1);
  return `${HOME}${lines.map((line) => `${fit(harmless(line), columns)}${ERASE_LINE}\n`).join("")}${ERASE_BELOW}`;
}
