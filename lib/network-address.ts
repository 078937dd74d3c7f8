import { isIPv6 } from "node:net";

/**
 * Addresses in the form other programs expect: an IPv6 address has brackets in a URL and in `host:port`, but not on its
 * own. Pure.
 */

/** A host name or address as written in a URL. */
export function inUrl(host: string): string {
  return isIPv6(host) ? `[${host}]` : host;
}

/** A host as `URL.hostname` gives it, without the brackets of an IPv6 address: for sockets, `ssh` and certificates. */
export function bareHost(hostname: string): string {
  return hostname.replace(/^\[(.*)\]$/, "$1");
}

/** `ssh://user@host[:port]` as arguments of `ssh`. */
export function sshTarget(address: string): { port: readonly string[]; destination: string } {
  const url = new URL(address);
  return {
    port: url.port === "" ? [] : ["-p", url.port],
    destination: `${url.username}@${bareHost(url.hostname)}`,
  };
}

/** An address range as everybody writes it: IPv6 in small letters and as short as it can be. */
export function usualRange(range: string): string {
  const [address = "", ...bits] = range.split("/");
  return address.includes(":") ? [bareHost(new URL(`http://[${address}]`).hostname), ...bits].join("/") : range;
}
