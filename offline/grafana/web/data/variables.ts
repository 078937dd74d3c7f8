import { ask } from "../api.js";
import type { VariableModel } from "../model.js";
import { regExp } from "./fields.js";
import { builtIns } from "./query.js";
import { type Chosen, interpolate, type Values } from "./interpolate.js";
import { findSource, type Source } from "./sources.js";
import { intervals, type Range } from "./time.js";

export interface Option {
  readonly text: string;
  readonly value: string;
}

/** A variable of the dashboard with what can be chosen and what is. */
export interface Variable {
  readonly model: VariableModel;
  readonly options: readonly Option[];
  /** Chosen values; `$__all` for all of them. */
  readonly selected: readonly string[];
  readonly error: string | undefined;
}

export const ALL = "$__all";

function list(value: unknown): string[] {
  if (Array.isArray(value)) return value.map(String);
  return value === undefined || value === null || value === ""
    ? []
    : [typeof value === "string" ? value : JSON.stringify(value)];
}

const SORTS: Readonly<Record<number, (left: string, right: string) => number>> = {
  1: (left, right) => left.localeCompare(right),
  2: (left, right) => right.localeCompare(left),
  3: (left, right) => Number.parseFloat(left) - Number.parseFloat(right),
  4: (left, right) => Number.parseFloat(right) - Number.parseFloat(left),
  5: (left, right) => left.localeCompare(right, "en", { sensitivity: "base" }),
  6: (left, right) => right.localeCompare(left, "en", { sensitivity: "base" }),
  7: (left, right) => left.localeCompare(right, "en", { numeric: true }),
  8: (left, right) => right.localeCompare(left, "en", { numeric: true }),
};

/** Keeps what the variable's regular expression takes: its group, or the whole text. */
function filtered(texts: readonly string[], model: VariableModel, values: Values): Option[] {
  const pattern =
    model.regex === undefined || model.regex === "" ? undefined : regExp(interpolate(model.regex, values, "regex"));
  const options = texts.flatMap((text): Option[] => {
    if (pattern === undefined) return [{ text, value: text }];
    const match = new RegExp(pattern.source, pattern.flags.replace("g", "")).exec(text);
    if (match === null) return [];
    const value = match.groups?.value ?? match[1] ?? match[0];
    return [{ text: match.groups?.text ?? value, value }];
  });
  const unique = [...new Map(options.map((option) => [option.value, option])).values()];
  const sort = SORTS[model.sort ?? 0];
  return sort === undefined ? unique : unique.sort((left, right) => sort(left.text, right.text));
}

/** Asks Prometheus for what a query variable can be. */
async function queried(
  model: VariableModel,
  sources: readonly Source[],
  values: Values,
  range: Range,
): Promise<string[]> {
  const source = findSource(sources, model.datasource, values);
  const { query } = model;
  const written =
    typeof query === "string" ? query : ((query as { query?: string } | undefined)?.query ?? model.definition ?? "");
  const { interval, rateInterval } = intervals(range, 1000, source.scrape);
  const text = interpolate(written, { ...values, ...builtIns(range, interval, rateInterval) }).trim();
  const get = async (path: string, search: Record<string, string>) => {
    const query = new URLSearchParams(search);
    const answer = await ask<{ data: unknown }>(
      "GET",
      `/api/datasources/uid/${source.uid}/resources/api/v1/${path}?${query.toString()}`,
    );
    return answer.data;
  };
  const times = { start: String(range.from / 1000), end: String(range.to / 1000) };
  const call = /^(\w+)\((.*)\)$/s.exec(text);
  const [, name = "", inner = ""] = call ?? [];
  if (name === "label_values") {
    const cut = inner.lastIndexOf(",");
    const label = inner.slice(cut + 1).trim();
    const series = cut < 0 ? "" : inner.slice(0, cut).trim();
    return (await get(`label/${encodeURIComponent(label)}/values`, {
      ...times,
      ...(series === "" ? {} : { "match[]": series }),
    })) as string[];
  }
  if (name === "label_names") return (await get("labels", times)) as string[];
  if (name === "metrics") {
    const names = (await get("label/__name__/values", times)) as string[];
    return names.filter((metric) => regExp(inner)?.test(metric) === true);
  }
  if (name === "query_result") {
    const data = (await get("query", { query: inner, time: times.end })) as {
      result: { metric: Record<string, string>; value: [number, string] }[];
    };
    return data.result.map(({ metric, value }) => {
      const { __name__: metricName = "", ...labels } = metric;
      const pairs = Object.entries(labels).map(([key, label]) => `${key}="${label}"`);
      return `${metricName}{${pairs.join(",")}} ${value[1]} ${value[0] * 1000}`;
    });
  }
  throw new Error(`The preview does not know the variable query "${text.slice(0, 60)}".`);
}

async function optionsOf(
  model: VariableModel,
  sources: readonly Source[],
  values: Values,
  range: Range,
): Promise<Option[]> {
  const query = typeof model.query === "string" ? model.query : "";
  switch (model.type) {
    case "query":
      return filtered(await queried(model, sources, values, range), model, values);
    case "datasource": {
      const kept = regExp(model.regex ?? "");
      return sources
        .filter(
          ({ type, name }) =>
            type === query && (model.regex === undefined || model.regex === "" || kept?.test(name) === true),
        )
        .map(({ uid, name }) => ({ text: name, value: uid }));
    }
    case "custom":
      return query.split(/(?<!\\),/).map((entry) => {
        const [text = "", value] = entry
          .trim()
          .replaceAll("\\,", ",")
          .split(/\s+:\s+/);
        return { text, value: value ?? text };
      });
    case "interval":
      return query.split(",").map((entry) => ({ text: entry.trim(), value: entry.trim() }));
    case "constant":
    case "textbox":
      return [{ text: query, value: query }];
    default:
      throw new Error(`The preview does not know variables of type "${model.type}".`);
  }
}

/** What stays chosen: what is still there, else what the dashboard was saved with, else the first. */
function choose(model: VariableModel, options: readonly Option[], wanted: readonly string[]): string[] {
  if (model.type === "textbox" || model.type === "constant")
    return wanted.length > 0 ? [...wanted] : options.map(({ value }) => value);
  const find = (choice: string) =>
    choice === ALL || choice === "All"
      ? model.includeAll === true
        ? ALL
        : undefined
      : options.find(({ value, text }) => value === choice || text === choice)?.value;
  const saved = list(model.current?.value).length > 0 ? list(model.current?.value) : list(model.current?.text);
  for (const candidates of [wanted, saved]) {
    const kept = candidates.map(find).filter((value) => value !== undefined);
    if (kept.length > 0) return model.multi === true ? kept : kept.slice(0, 1);
  }
  if (model.includeAll === true) return [ALL];
  const first = options[0]?.value;
  return first === undefined ? [] : [first];
}

export function chosen(variable: Variable): Chosen {
  const { model, options, selected } = variable;
  const isAll = selected.includes(ALL);
  const picked = isAll
    ? options
    : selected.map((value) => options.find((option) => option.value === value) ?? { text: value, value });
  return {
    values: picked.map(({ value }) => value),
    text: isAll ? "All" : picked.map(({ text }) => text).join(" + "),
    isList: model.multi === true || model.includeAll === true,
    allValue:
      isAll && model.allValue !== undefined && model.allValue !== null && model.allValue !== ""
        ? model.allValue
        : undefined,
  };
}

export function valuesOf(variables: readonly Variable[]): Values {
  return Object.fromEntries(variables.map((variable) => [variable.model.name, chosen(variable)]));
}

/** Loads the variables one after the other: later ones may use earlier ones. `wanted` is what the user has chosen so far. */
export async function loadVariables(
  models: readonly VariableModel[],
  wanted: Readonly<Record<string, readonly string[]>>,
  sources: readonly Source[],
  range: Range,
): Promise<Variable[]> {
  const loaded: Variable[] = [];
  for (const model of models) {
    const values = valuesOf(loaded);
    const choice = wanted[model.name] ?? [];
    try {
      const options = await optionsOf(model, sources, values, range);
      loaded.push({ model, options, selected: choose(model, options, choice), error: undefined });
    } catch (error) {
      const selected = choice.length > 0 ? choice : list(model.current?.value);
      loaded.push({ model, options: [], selected, error: (error as Error).message });
    }
  }
  return loaded;
}
