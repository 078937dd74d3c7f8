import { isIPv6 } from "node:net";
import { z } from "zod";
import { imageByDigest } from "../lib/image-reference";
import { bareHost, inUrl } from "../lib/network-address";
import { hint } from "./values";

/** Where something is: hosts, URLs, images. A message never repeats the value, because it may contain a password. */

/**
 * A host name or address that every URL parser leaves unchanged: not `999.1.2.3`, `1.2.3` (which means 1.2.0.3) or
 * `xn--a`, and no zone (`fe80::1%eth0`), which is valid on only one machine.
 */
function isHost(text: string): boolean {
  const url = `http://${inUrl(text)}`;
  if (text.includes("%") || !URL.canParse(url)) return false;
  return isIPv6(text) || (/^[A-Za-z0-9._-]+$/.test(text) && new URL(url).hostname === text.toLowerCase());
}

/** `host`, `host:port`, `[IPv6]` or `[IPv6]:port`, as in URLs. */
function isAuthority(text: string, port: "with port" | "perhaps a port"): boolean {
  const [, host = "", digits] = /^(\[[^\]]*:[^\]]*\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (digits === undefined ? port === "with port" : Number(digits) < 1 || Number(digits) > 65535) return false;
  return isHost(bareHost(host));
}

const HOST = "a valid host name or address";

/** A host name or address. An IPv6 address may have brackets; the parsed value has none. */
export const host = z
  .string(hint("is missing; set a host name or address"))
  .transform(bareHost)
  .refine(isHost, hint(`must be ${HOST} without port, scheme or zone (%eth0)`))
  .meta({ allowed: "a host name or address" });

/** `host:port`; an IPv6 address in brackets. */
export const hostAndPort = (purpose: string) =>
  z
    .string(hint("is missing; set host:port"))
    .refine(
      (text) => isAuthority(text, "with port"),
      hint(`must be host:port, or [IPv6 address]:port without a zone (%eth0), ${purpose}`),
    )
    .meta({ allowed: "`host:port`" });

interface HttpUrl {
  /** What to do instead of putting a login into the URL. */
  login: string;
  /** Whether it may have a path; default yes. */
  path?: boolean;
}

/**
 * An http or https URL without login, query or fragment. The parsed value has a lower-case scheme and host and no
 * trailing slash.
 */
export const httpUrl = ({ login, path = true }: HttpUrl) =>
  z
    .string(hint("is missing; set an address such as https://host:port"))
    .transform((url) => url.replace(/\/+$/, "").replace(/^https?:\/\/[^/?#]*/i, (origin) => origin.toLowerCase()))
    .superRefine((url, context) => {
      const complain = (message: string) => context.addIssue({ code: "custom", message });
      const [, authority = "", below = ""] = /^https?:\/\/([^/?#]*)(.*)$/.exec(url) ?? [];
      // Checked on the whole text: a password with a slash makes the rest look like a path.
      if (url.includes("@")) return complain(`must not hold a login; ${login}`);
      if (!isAuthority(authority, "perhaps a port") || (below !== "" && !path)) {
        return complain(
          `must be http:// or https://, ${HOST} (IPv6 in brackets, without a zone) and an optional port${path ? " and path" : ", nothing more"}`,
        );
      }
      if (!/^(\/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*$/.test(below)) {
        return complain("must have a plain path, such as /grafana, without query, fragment or percent signs");
      }
    })
    .meta({ allowed: `an \`http://\` or \`https://\` address${path ? "" : " without a path"}` });

/** A Docker Engine over ssh, or on this machine. */
export const engineAddress = z
  .string(hint("is missing; set ssh://user@host[:port] or unix:///path"))
  .refine(
    (text) => {
      if (/^unix:\/\/\/\S+$/.test(text)) return true;
      const [, user = "", authority = ""] = /^ssh:\/\/([^@/]+)@(.+)$/.exec(text) ?? [];
      return (
        /^[A-Za-z0-9._][A-Za-z0-9._-]*$/.test(user) &&
        /^[^-]/.test(authority) &&
        isAuthority(authority, "perhaps a port")
      );
    },
    hint(
      `must be ssh://user@host[:port] with ${HOST} (IPv6 in brackets, without a zone), or unix:///path, of a Docker Engine`,
    ),
  )
  .meta({ allowed: "`ssh://user@host[:port]` or `unix:///path`" });

/** An image by digest, normalized: without tag, with its registry. */
export const digestImage = (what: string) =>
  z
    .string(hint(`is missing; set the ${what} image by digest, registry/name@sha256:...`))
    .transform((text, context) => {
      const read = imageByDigest(text);
      if (typeof read !== "string") return read.name;
      context.addIssue({ code: "custom", message: read });
      return z.NEVER;
    })
    .meta({ allowed: "`registry/name@sha256:…`" });
