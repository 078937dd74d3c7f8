/** What a variable stands for at this moment. */
export interface Chosen {
  /** The values; for "All" without a value of its own, all of them. */
  readonly values: readonly string[];
  readonly text: string;
  /** Whether more than one may be chosen: then Prometheus needs a regular expression. */
  readonly isList: boolean;
  /** What "All" stands for where the dashboard says so; put in as it is. */
  readonly allValue: string | undefined;
}

export type Values = Readonly<Record<string, Chosen>>;

/** Escapes what is special in a regular expression inside a PromQL string. */
function regexEscaped(value: string): string {
  return value.replace(/[\\^$.*+?()[\]{}|]/g, "\\\\$&");
}

function format(chosen: Chosen, how: string | undefined): string {
  const { values, allValue } = chosen;
  if (allValue !== undefined) return allValue;
  switch (how) {
    case "raw":
    case "csv":
      return values.join(",");
    case "pipe":
      return values.join("|");
    case "text":
      return chosen.text;
    case "json":
      return JSON.stringify(values.length === 1 ? values[0] : values);
    case "doublequote":
      return values.map((value) => `"${value.replaceAll('"', '\\"')}"`).join(",");
    case "singlequote":
      return values.map((value) => `'${value.replaceAll("'", "\\'")}'`).join(",");
    case "percentencode":
      return encodeURIComponent(values.join(","));
    case "queryparam":
      return "";
    default:
  }
  if (how !== "regex" && !chosen.isList) return values[0] ?? "";
  const escaped = values.map(regexEscaped);
  return escaped.length === 1 ? (escaped[0] ?? "") : `(${escaped.join("|")})`;
}

/** Fills `$name`, `${name}`, `${name:format}` and `[[name]]` in. Names that no variable has stay as they are. */
export function interpolate(text: string, values: Values, how?: string): string {
  const fill = (whole: string, name: string, given: string | undefined) => {
    const chosen = values[name];
    return chosen === undefined ? whole : format(chosen, given ?? how);
  };
  return text
    .replace(/\$\{(\w+)(?::(\w+))?\}/g, fill)
    .replace(/\[\[(\w+)(?::(\w+))?\]\]/g, fill)
    .replace(/\$(\w+)/g, (whole: string, name: string) => fill(whole, name, undefined));
}

/** A variable with one plain value. */
export function constant(value: string): Chosen {
  return { values: [value], text: value, isList: false, allValue: undefined };
}

/** Names of variables that a text uses. */
export function usedNames(text: string): string[] {
  const found = text.matchAll(/\$\{(\w+)(?::\w+)?\}|\[\[(\w+)(?::\w+)?\]\]|\$(\w+)/g);
  return [...found].map((match) => match[1] ?? match[2] ?? match[3] ?? "");
}
