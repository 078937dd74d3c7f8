import { z } from "zod";

export const hint = (text: string) => ({ error: text });

export const digestImage = (what: string) =>
  z
    .string(hint(`is missing; set the ${what} image by digest, registry/name@sha256:...`))
    .regex(
      /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$/,
      hint("must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release"),
    );

export const httpUrl = z
  .string(hint("is missing; set an address such as https://host:port"))
  .regex(/^https?:\/\/[^/\s]+\/?$/, hint("must be http:// or https://, a host and an optional port, nothing more"))
  .transform((url) => url.replace(/\/$/, ""));

export const engineAddress = z
  .string(hint("is missing; set ssh://user@host[:port] or unix:///path"))
  .regex(
    /^(ssh:\/\/[A-Za-z0-9._-]+@[A-Za-z0-9.-]+(:\d+)?|unix:\/\/\/\S+)$/,
    hint("must be ssh://user@host[:port] or unix:///path of a Docker Engine"),
  );

export const wholeNumber = (low: number, high: number) =>
  z
    .string(hint(`is missing; set a whole number from ${low} to ${high}`))
    .regex(/^\d+$/, hint(`must be a whole number from ${low} to ${high}`))
    .transform(Number)
    .refine((n) => n >= low && n <= high, hint(`must be from ${low} to ${high}`));

const anyRange = z.union([z.cidrv4(), z.cidrv6()]);
const anyAddress = z.union([z.ipv4(), z.ipv6(), anyRange]);
// By refine(): a union that fails says what one of its members says.
export const range = z
  .string()
  .refine((text) => anyRange.safeParse(text).success, hint("must be an address range such as 10.0.0.7/32"));
export const addressOrRange = z
  .string()
  .refine((text) => anyAddress.safeParse(text).success, hint("must be an address or a range such as 10.0.0.0/24"));

export const list = (item: z.ZodType<string>, example: string) =>
  z
    .string(hint(`is missing; set a list such as ${example}`))
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: `must be a list such as ${example}` });
        return z.NEVER;
      }
    })
    .pipe(z.array(item, hint(`must be a list such as ${example}`)));

export const identifier = (what: string) =>
  z
    .string(hint(`is missing; set ${what}`))
    .regex(/^[a-z][a-z0-9-]{0,30}$/, hint("must be 1 to 31 small letters, digits or hyphens, a letter first"));

export const host = z
  .string(hint("is missing; set a host name or address"))
  .regex(/^[A-Za-z0-9._-]+$/, hint("must be a host name or address without port or scheme"));

export const optional = <T extends z.ZodType>(schema: T) =>
  z
    .literal("")
    .transform(() => undefined)
    .or(schema)
    .optional();

/** The settings of one group, validated. */
export type GroupOf<T extends z.ZodRawShape> = z.output<z.ZodObject<T>>;
