import type { FieldConfig, Mapping, MappingResult, Override, Panel, Threshold } from "../model.js";
import { classicColor, colorsByName, cssColor, schemeColor, shade } from "../palette.js";
import { formatValue, type Formatted } from "../units.js";
import { type Field, type Frame, numbers, type Value } from "./frames.js";

/** Compiles `/re/flags` or a bare expression; undefined for one that is not valid. */
export function regExp(written: string): RegExp | undefined {
  const match = /^\/(.*)\/([a-z]*)$/s.exec(written);
  try {
    return match === null ? new RegExp(written) : new RegExp(match[1] ?? "", match[2]);
  } catch {
    return undefined;
  }
}

function matches({ id, options }: Override["matcher"], field: Field, frame: Frame): boolean {
  const text = typeof options === "string" ? options : "";
  switch (id) {
    case "byName":
      return field.title === text || field.name === text;
    case "byRegexp":
      return regExp(text)?.test(field.title) ?? false;
    case "byType":
      return field.type === text;
    case "byFrameRefID":
      return frame.refId === text;
    case "byNames": {
      const { names = [], mode = "include" } = (options ?? {}) as { names?: string[]; mode?: string };
      return names.includes(field.title) === (mode !== "exclude");
    }
    default:
      return false;
  }
}

type Writable = Record<string, unknown>;

/** Sets one property of an override: `unit`, or below `custom.`. */
function set(config: Writable, id: string, value: unknown): Writable {
  if (!id.startsWith("custom.")) return { ...config, [id]: value };
  const path = id.slice("custom.".length).split(".");
  const custom = structuredClone((config.custom ?? {}) as Writable);
  let place = custom;
  for (const step of path.slice(0, -1)) place = (place[step] ??= {}) as Writable;
  place[path[path.length - 1] ?? ""] = value;
  return { ...config, custom };
}

/** Gives each field the panel's defaults, what its overrides say, and its number among the number fields. */
export function configure(frames: readonly Frame[], panel: Panel): Frame[] {
  const defaults = panel.fieldConfig?.defaults ?? {};
  const overrides = panel.fieldConfig?.overrides ?? [];
  let index = 0;
  const configured = frames.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => {
      let config: Writable = { ...field.config, ...defaults, custom: { ...defaults.custom } };
      for (const { matcher, properties } of overrides) {
        if (!matches(matcher, field, frame)) continue;
        for (const { id, value } of properties) config = set(config, id, value);
      }
      const merged = config as FieldConfig;
      const title =
        merged.displayName === undefined || merged.displayName === ""
          ? field.title
          : withLabels(merged.displayName, field);
      return { ...field, config: merged, title, index: field.type === "number" ? index++ : -1 };
    }),
  }));
  const names = configured.flatMap(({ fields }) =>
    fields.filter(({ type }) => type === "number").map(({ title }) => title),
  );
  const colors = colorsByName(names);
  return configured.map((frame) => ({
    ...frame,
    fields: frame.fields.map((field) => ({ ...field, nameColor: colors.get(field.title) ?? "#73BF69" })),
  }));
}

function withLabels(pattern: string, field: Field): string {
  return pattern
    .replace(/\$\{__field\.labels\.([^}]+)\}/g, (_, label: string) => field.labels[label] ?? "")
    .replace(/\$\{__field\.(?:displayName|name)\}/g, field.title)
    .replace(/\$\{__series\.name\}/g, field.title);
}

/** The least and the greatest value: those that are set, else those that occur. */
export function bounds(field: Field): { min: number; max: number } {
  const present = numbers(field).filter((value): value is number => value !== null);
  const min = field.config.min ?? Math.min(...present, 0);
  const max = field.config.max ?? Math.max(...present);
  return { min: Number.isFinite(min) ? min : 0, max: Number.isFinite(max) && max > min ? max : min + 1 };
}

export function steps(config: FieldConfig): readonly Threshold[] {
  const given = config.thresholds?.steps ?? [];
  return given.length > 0 ? given : [{ value: null, color: "green" }];
}

/** The threshold that a value has reached. */
export function thresholdColor(value: number, field: Field): string {
  const { min, max } = field.config.thresholds?.mode === "percentage" ? bounds(field) : { min: 0, max: 100 };
  const at = (step: Threshold) =>
    step.value === null
      ? -Infinity
      : field.config.thresholds?.mode === "percentage"
        ? min + ((max - min) * step.value) / 100
        : step.value;
  const reached = steps(field.config).filter((step) => value >= at(step));
  return cssColor((reached[reached.length - 1] ?? steps(field.config)[0])?.color ?? "green");
}

/** The colour of a whole series, in a legend or as a line. */
export function seriesColor(field: Field): string {
  const { mode = "palette-classic", fixedColor = "green" } = field.config.color ?? {};
  if (mode === "fixed") return cssColor(fixedColor);
  if (mode === "shades") return shade(cssColor(fixedColor), Math.max(field.index, 0));
  if (mode === "palette-classic-by-name") return field.nameColor ?? classicColor(0);
  if (mode === "thresholds" || mode.startsWith("continuous-")) {
    const present = numbers(field).filter((value): value is number => value !== null);
    return valueColor(present[present.length - 1] ?? 0, field);
  }
  return classicColor(Math.max(field.index, 0));
}

const CONTINUOUS: Readonly<Record<string, string>> = {
  "continuous-GrYlRd": "spectral",
  "continuous-RdYlGr": "spectral",
  "continuous-BlYlRd": "spectral",
  "continuous-blues": "blues",
  "continuous-reds": "reds",
  "continuous-greens": "greens",
  "continuous-purples": "purples",
};

/** The colour of one value; for modes that know none, the series' colour. */
export function valueColor(value: number, field: Field): string {
  const mode = field.config.color?.mode ?? "thresholds";
  if (mode.startsWith("continuous-")) {
    const { min, max } = bounds(field);
    return schemeColor(CONTINUOUS[mode] ?? "spectral", (value - min) / (max - min), true, mode === "continuous-RdYlGr");
  }
  return mode === "thresholds" ? thresholdColor(value, field) : seriesColor(field);
}

function mapped(value: Value, mappings: readonly Mapping[]): MappingResult | undefined {
  for (const mapping of mappings) {
    if (mapping.type === "value") {
      const hit = mapping.options[String(value)];
      if (hit !== undefined) return hit;
    } else if (mapping.type === "range" && typeof value === "number") {
      const { from, to, result } = mapping.options;
      if (value >= (from ?? -Infinity) && value <= (to ?? Infinity)) return result;
    } else if (mapping.type === "regex" && typeof value === "string") {
      if (regExp(mapping.options.pattern)?.test(value) === true) return mapping.options.result;
    } else if (mapping.type === "special") {
      const { match, result } = mapping.options;
      const isNull = value === null && (match === "null" || match === "null+nan");
      const isEmpty = value === "" && match === "empty";
      if (isNull || isEmpty) return result;
    }
  }
  return undefined;
}

/** A value as it is shown: its text in the field's unit or by its mapping, and its colour. */
export interface Shown extends Formatted {
  readonly color: string;
}

export function show(value: Value, field: Field): Shown {
  const result = mapped(value, field.config.mappings ?? []);
  const color =
    result?.color !== undefined
      ? cssColor(result.color)
      : typeof value === "number"
        ? valueColor(value, field)
        : value === null
          ? "var(--muted)"
          : "currentColor";
  if (result?.text !== undefined && result.text !== "") return { prefix: "", text: result.text, suffix: "", color };
  if (value === null) return { prefix: "", text: field.config.noValue ?? "-", suffix: "", color };
  if (typeof value === "string") return { prefix: "", text: value, suffix: "", color };
  return { ...formatValue(value, field.config.unit, field.config.decimals ?? undefined), color };
}

export function showText(value: Value, field: Field): string {
  const { prefix, text, suffix } = show(value, field);
  return `${prefix}${text}${suffix}`;
}
