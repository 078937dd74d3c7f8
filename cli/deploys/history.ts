import type { Context } from "../command";
import { EXIT } from "../errors";
import type { Output } from "../output";
import { duration, secondsBetween, stamp } from "../time";
import { lastUpdates, type Update } from "./updates";

export async function showHistory(count: number, context: Context): Promise<number> {
  const { output } = context;
  const world = await context.world({ settings: "file" });
  const updates = await lastUpdates(world, count);
  const text = updates.map((update) => describe(update, output.style)).join("\n\n");
  output.answer({ stack: world.stack, updates }, text || `nothing has been deployed to stack ${world.stack} yet`);
  return EXIT.ok;
}

/** Two lines: what and how it went, then what it changed. */
export function describe(update: Update, style: Output["style"]): string {
  const { version, kind, result, start, end, what, by, from, release, place, commit, dirty, changes } = update;
  const paint = result === "succeeded" ? style.green : result === "in-progress" ? style.yellow : style.red;
  const took = end === undefined ? "" : ` in ${duration(secondsBetween(new Date(end), start))}`;
  const number = version === undefined ? "" : `${style.bold(String(version).padStart(4))}  `;
  const head = `${number}${stamp(start)} UTC  ${paint(`${kind} ${result}`)}${took}  ${what}`;
  const counts = Object.entries(changes).map(([operation, count]) => `${count} ${operation}`);
  const details = [
    by === undefined ? "by hand" : `by ${by}`,
    ...(release === undefined ? [] : [`release ${from ?? "none"} -> ${release}`]),
    ...(commit === undefined ? [] : [`commit ${commit.slice(0, 7)}${dirty ? " and changes that no commit has" : ""}`]),
    counts.length === 0 ? "no resource changed" : counts.join(", "),
    ...(place === undefined ? [] : [place]),
  ];
  return `${head}\n      ${style.dim(details.join("; "))}`;
}
