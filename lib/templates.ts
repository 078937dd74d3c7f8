import { readFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import Mustache from "mustache";

/** Vault Agent's own templates use `{{ }}`, so files of these types, and partials of them, use other tags. */
const TAGS: Readonly<Record<string, [string, string]>> = { ".ctmpl": ["<%", "%>"], ".prom": ["<%", "%>"] };

/** Escapes a value for a quoted string in HCL or in a Vault Agent template. */
export const inQuotes = (value: unknown): string => JSON.stringify(String(value)).slice(1, -1);

/**
 * Fills a template in, by Mustache (https://mustache.github.io/mustache.5.html): sections and lists, no logic. A
 * template includes others of its directory by name. Every value that it uses must be given, because Mustache would
 * otherwise write an empty text into a configuration.
 *
 * @param file absolute path
 * @param write converts a value to text; default: as it is
 */
export function fillTemplate(file: string, view: object, write: (value: unknown) => string = String): string {
  const text = (name: string) => readFileSync(join(dirname(file), name), "utf8");
  const tags = TAGS[extname(file)] ?? ["{{", "}}"];
  return new StrictWriter().render(readFileSync(file, "utf8"), view, text, { tags, escape: write });
}

class StrictWriter extends Mustache.Writer {
  override escapedValue(token: string[], context: Mustache.Context, config?: Mustache.RenderOptions): string {
    const name = token[1] ?? "";
    if (context.lookup(name) == null) throw new Error(`the template asks for ${name}, which is not given`);
    return super.escapedValue(token, context, config);
  }
}
