import { z } from "zod";

/**
 * The kinds of settings. Each parses the text that the engine passes. Its `.meta()` tells Pulumi.yaml and
 * docs/settings.md what they cannot derive: the `type` in Pulumi.yaml's terms, if it is not string, and the `allowed`
 * values in words.
 */

export const hint = (text: string) => ({ error: text });

/** Whether the text has line breaks or other control characters, which no name or one-line password contains. */
export const hasControl = (text: string): boolean => /\p{Cc}/u.test(text);

export const wholeNumber = (low: number, high: number) =>
  z
    .string(hint(`is missing; set a whole number from ${low} to ${high}`))
    .regex(/^\d+$/, hint(`must be a whole number from ${low} to ${high}`))
    .transform(Number)
    .refine((n) => n >= low && n <= high, hint(`must be from ${low} to ${high}`))
    .meta({ type: "integer", allowed: `${low} to ${high}` });

export const trueOrFalse = z
  .enum(["true", "false"], hint("must be true or false"))
  .transform((text) => text === "true")
  .meta({ type: "boolean" });

/** `a, b or c` */
export const inWords = (words: readonly string[], conjunction = "or"): string =>
  words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} ${conjunction} ${words.at(-1) ?? ""}`;

export const oneOf = <const T extends readonly string[]>(...values: T) =>
  z.enum(values, hint(`must be ${inWords(values)}`)).meta({ allowed: inWords(values.map((value) => `\`${value}\``)) });

const anyRange = z.union([z.cidrv4(), z.cidrv6()]);
const anyAddress = z.union([z.ipv4(), z.ipv6(), anyRange]);
// By refine(), because a failing union reports the message of one of its members.
export const range = z
  .string()
  .refine((text) => anyRange.safeParse(text).success, hint("must be an address range such as 10.0.0.7/32"))
  .meta({ allowed: "an address range such as `10.0.0.7/32`" });
export const addressOrRange = z
  .string()
  .refine((text) => anyAddress.safeParse(text).success, hint("must be an address or a range such as 10.0.0.0/24"));

/** Lists and objects, which the engine passes as JSON. @param wrong message for a text that is not valid JSON */
export const json = (wrong: string, missing = wrong) =>
  z.string(hint(missing)).transform((text, context) => {
    try {
      return JSON.parse(text) as unknown;
    } catch {
      context.addIssue({ code: "custom", message: wrong });
      return z.NEVER;
    }
  });

/**
 * Texts by name, as JSON.
 *
 * @param wrong for example `must be annotations, such as {"a": "b"}`
 * @param rules what each name and its text must be, and the message if one is not
 */
export const texts = (
  wrong: string,
  ...rules: readonly (readonly [fits: (name: string, text: string) => boolean, otherwise: string])[]
) =>
  json(wrong)
    .pipe(
      rules.reduce(
        (all, [fits, otherwise]) =>
          all.refine((given) => Object.entries(given).every(([k, v]) => fits(k, v)), hint(otherwise)),
        z.record(z.string(), z.string(), hint(wrong)),
      ),
    )
    .meta({ type: "object", allowed: "texts by name" });

export const list = (item: z.ZodType<string>, example: string) =>
  json(`must be a list such as ${example}`, `is missing; set a list such as ${example}`)
    .pipe(z.array(item, hint(`must be a list such as ${example}`)))
    .meta({ type: "array", allowed: `a list such as \`${example}\`` });

export const identifier = (what: string) =>
  z
    .string(hint(`is missing; set ${what}`))
    .regex(/^[a-z][a-z0-9-]{0,30}$/, hint("must be 1 to 31 small letters, digits or hyphens, a letter first"));

/** An empty text counts as unset too: the CLI passes Pulumi.yaml's defaults as if they were set. */
export const optional = <T extends z.ZodType>(schema: T) =>
  z
    .literal("")
    .transform(() => undefined)
    .or(schema)
    .optional();

/** The settings of one group, validated. */
export type GroupOf<T extends z.ZodRawShape> = z.output<z.ZodObject<T>>;
