import { z } from "zod";
import { engineAddress } from "./addresses";
import { hint, identifier, list, optional, range, wholeNumber } from "./values";

const TWO_OCTETS = /^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(?:$|\.)/;

/** Two octets of a private range (RFC 1918, RFC 6598), or a /22 range within one. */
function isContainerRange(text: string): boolean {
  const full = /^\d+\.\d+$/.test(text) ? `${text}.96.0/22` : text;
  const third = /^\d+\.\d+\.(\d+)\.0\/22$/.exec(full)?.[1];
  return TWO_OCTETS.test(full) && z.cidrv4().safeParse(full).success && Number(third) % 4 === 0;
}

/** The VM. */
export const host = {
  // Part of the dashboards' uids, which Grafana limits to 40 characters.
  environment: identifier("a name such as vm2")
    .max(28, hint("must have at most 28 letters"))
    .describe("Name of this installation in metrics labels and dashboards, at most 28 letters, for example vm2."),
  hostAddress: engineAddress.describe(
    "Docker Engine of the VM, ssh://user@host[:port] (or unix:///path of a local engine); an IPv6 address in brackets.",
  ),
  hostSshOptions: list(z.string(), '["-F", "ssh/config"]')
    .default([])
    .describe('Extra options for ssh, for example ["-F", "ssh/config"]. Host keys are always checked.'),
  hostCidr: optional(range).describe(
    "Address range the VM's requests to Vault come from; the AppRole is bound to it. Empty = not bound.",
  ),
};

/** The container networks on it. */
export const network = {
  networkPrefix: z
    .string()
    .refine(
      isContainerRange,
      hint(
        "must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
      ),
    )
    .meta({ allowed: "two octets of a private range, or a range of /22 in one" })
    .default("172.29")
    .describe(
      "Where the container networks on the VM lie. A range of /22, for example 10.20.4.0/22, holds all four. Two octets x.y are x.y.96.0/24 and x.y.97.0/24 for the internal networks; Docker chooses those of the way out and of Nginx's ports from its own address pools.",
    ),
  networkMtu: wholeNumber(0, 9000)
    .refine((mtu) => mtu === 0 || mtu >= 576, hint("must be 0, which is Docker's default, or from 576 to 9000"))
    .meta({ allowed: "0, or 576 to 9000" })
    .default(0)
    .describe(
      "Largest packet on the container networks, bytes, 576 to 9000; that of the VM's network interface. 0 = Docker's default, or what the networks have.",
    ),
};
