import type { CustomConfig, FieldConfig } from "../model.js";

export type FieldType = "time" | "number" | "string";
export type Value = number | string | null;

/** One column of an answer, with how it is to be shown. */
export interface Field {
  readonly name: string;
  readonly type: FieldType;
  readonly labels: Readonly<Record<string, string>>;
  readonly values: readonly Value[];
  readonly config: FieldConfig;
  /** Name for people, after legends and overrides. */
  readonly title: string;
  /** Its number among all number fields of the panel, which decides its colour in the classic palette. */
  readonly index: number;
  /** Its colour by its name, where fields are coloured so. */
  readonly nameColor?: string;
}

export interface Frame {
  readonly refId: string;
  readonly name: string;
  readonly fields: readonly Field[];
}

interface RawFrame {
  readonly schema?: {
    readonly refId?: string;
    readonly name?: string;
    readonly fields?: readonly {
      readonly name?: string;
      readonly type?: string;
      readonly labels?: Readonly<Record<string, string>>;
      readonly config?: FieldConfig;
    }[];
  };
  readonly data?: { readonly values?: readonly (readonly Value[])[] };
}

/** Reads the frames of one result of `/api/ds/query`. */
export function readFrames(raw: readonly RawFrame[]): Frame[] {
  return raw.map((frame) => ({
    refId: frame.schema?.refId ?? "",
    name: frame.schema?.name ?? "",
    fields: (frame.schema?.fields ?? []).map((field, index): Field => {
      const name = field.name ?? `Field ${index + 1}`;
      return {
        name,
        type: field.type === "time" || field.type === "number" ? field.type : "string",
        labels: field.labels ?? {},
        values: frame.data?.values?.[index] ?? [],
        config: field.config ?? {},
        title: field.config?.displayNameFromDS ?? name,
        index: 0,
      };
    }),
  }));
}

export function timeField(frame: Frame): Field | undefined {
  return frame.fields.find(({ type }) => type === "time");
}

export function numberFields(frame: Frame): Field[] {
  return frame.fields.filter(({ type }) => type === "number");
}

export function numbers(field: Field): (number | null)[] {
  return field.values.map((value) => (typeof value === "number" ? value : null));
}

export function custom(field: Field): CustomConfig {
  return field.config.custom ?? {};
}

/** How many rows a frame has. */
export function height(frame: Frame): number {
  return Math.max(0, ...frame.fields.map(({ values }) => values.length));
}
