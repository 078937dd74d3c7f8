import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./sandbox";

/** A block of commands, settings or data, as a reader of the guide copies it. */
export interface Block {
  language: string;
  text: string;
}

/** The code blocks of docs/guide.md's numbered steps, in order. */
export function blocksOf(step: number): Block[] {
  const guide = readFileSync(join(root, "docs/guide.md"), "utf8");
  const section = new RegExp(`^## ${step}\\. [^]*?(?=^## )`, "m").exec(guide)?.[0];
  if (section === undefined) throw new Error(`docs/guide.md has no step ${step}`);
  return [...section.matchAll(/^```(\w+)\n([^]*?)^```$/gm)].map(([, language = "", text = ""]) => ({ language, text }));
}

/** A block with the guide's placeholders replaced. @throws Error if the guide no longer has one of the texts */
export function filledIn(text: string, values: Readonly<Record<string, string>>): string {
  let filled = text;
  for (const [placeholder, value] of Object.entries(values)) {
    if (!filled.includes(placeholder)) throw new Error(`the guide has no "${placeholder}" in:\n${text}`);
    filled = filled.replaceAll(placeholder, () => value);
  }
  return filled;
}
