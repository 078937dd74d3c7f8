import type { z } from "zod";
import { NAMESPACE } from "./errors";
import type { GroupOf } from "./values";

type Key<S> = Extract<keyof S, string>;

/** Names of a component's arguments, each with the setting it comes from. A `?` after the setting makes it optional. */
type Parts<S> = Readonly<Record<string, Key<S> | `${Key<S>}?`>>;

/** The component's argument: the chosen value, and the parts that belong to it. */
type Chosen<S extends z.ZodRawShape, Tag extends string, A> = {
  [Value in keyof A]: Record<Tag, Value> & {
    [Name in keyof A[Value]]: A[Value][Name] extends `${infer K extends Key<GroupOf<S>>}?`
      ? GroupOf<S>[K]
      : A[Value][Name] extends keyof GroupOf<S>
        ? NonNullable<GroupOf<S>[A[Value][Name]]>
        : never;
  };
}[keyof A];

interface Options<S, A> {
  /** Settings that a value needs in addition, which reach the component in another way. */
  needs?: Readonly<Partial<Record<keyof A, readonly Key<S>[]>>>;
  /** The value that the message suggests instead when something is missing. */
  instead?: keyof A & string;
}

/** A setting that chooses between alternatives, for docs/settings.md. */
export interface Choice {
  readonly key: string;
  /** The values, each with the settings that it requires and those that it accepts. */
  readonly values: readonly { readonly value: string; readonly needs: string[]; readonly takes: string[] }[];
}

export interface Alternatives<Values, Result> extends Choice {
  /** What is missing for the chosen value, one sentence each. */
  missing(values: Values): string[];
  /** The chosen value with its parts. Do not call it while something is {@link missing}. */
  chosen(values: Values): Result;
}

/**
 * Declares which settings belong to each value of a setting. The check, the component's argument and the documentation
 * all derive from this declaration.
 *
 * @example
 * alternatives(edge, "tls", "by", { off: {}, files: { keyFile: "tlsKeyFile" } })
 *   .chosen(values) // { by: "off" } | { by: "files", keyFile: string }
 *
 * @param keys the settings of the group
 * @param key the setting that chooses
 * @param tag name of the component's argument that says which was chosen
 * @param parts each value of the setting with its parts
 */
export function alternatives<
  S extends z.ZodRawShape,
  K extends Key<S>,
  Tag extends string,
  const A extends Readonly<Record<z.output<S[K]> & string, Parts<S>>>,
>(keys: S, key: K, tag: Tag, parts: A, options: Options<S, A> = {}): Alternatives<GroupOf<S>, Chosen<S, Tag, A>> {
  const lists = Object.entries<Parts<S>>(parts).map(([value, names]) => {
    const own = Object.values(names);
    const mayLack = (name: string) => name.endsWith("?") || !isMissing(keys, name);
    return {
      value,
      needs: [...(options.needs?.[value as keyof A] ?? []), ...own.filter((name) => !mayLack(name))],
      takes: own.filter(mayLack).map((name) => name.replace(/\?$/, "")),
    };
  });
  const read = (values: GroupOf<S>, name: string) => (values as Readonly<Record<string, unknown>>)[name];
  const chosenBy = (values: GroupOf<S>) => read(values, key) as keyof A & string;
  return {
    key,
    values: lists,
    missing(values) {
      const value = chosenBy(values);
      const cure =
        options.instead === undefined
          ? `it is needed with ${NAMESPACE}:${key} ${value}`
          : `set it, or set ${NAMESPACE}:${key} to ${options.instead} instead of ${value}`;
      return (lists.find((one) => one.value === value)?.needs ?? [])
        .filter((name) => read(values, name) === undefined)
        .map((name) => `${NAMESPACE}:${name} is missing; ${cure}`);
    },
    chosen(values) {
      const value = chosenBy(values);
      const given = Object.entries(parts[value as keyof A] as Parts<S>).map(([name, from]) => [
        name,
        read(values, from.replace(/\?$/, "")),
      ]);
      return { [tag]: value, ...Object.fromEntries(given) } as Chosen<S, Tag, A>;
    },
  };
}

/** Whether the setting has no value if a stack does not set it. */
function isMissing(keys: z.ZodRawShape, name: string): boolean {
  const result = (keys[name] as z.ZodType).safeParse(undefined);
  return !result.success || result.data === undefined;
}
