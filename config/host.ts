import { z } from "zod";
import { engineAddress } from "./addresses";
import { hint, identifier, list, optional, range, wholeNumber } from "./values";

const TWO_OCTETS = /^(10\.\d{1,3}|172\.(1[6-9]|2\d|3[01])|192\.168|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7]))(?:$|\.)/;

/** Two octets of a private range (RFC 1918, RFC 6598), or a range of /22 in one. */
function isContainerRange(text: string): boolean {
  const full = /^\d+\.\d+$/.test(text) ? `${text}.96.0/22` : text;
  const third = /^\d+\.\d+\.(\d+)\.0\/22$/.exec(full)?.[1];
  return TWO_OCTETS.test(full) && z.cidrv4().safeParse(full).success && Number(third) % 4 === 0;
}

/** The VM and its container networks. */
export const host = {
  // Part of the dashboards' uids, of which Grafana takes 40 letters.
  environment: identifier("a name such as vm2").max(28, hint("must have at most 28 letters")),
  hostAddress: engineAddress,
  hostSshOptions: list(z.string(), '["-F", "ssh/config"]').default([]),
  hostCidr: optional(range),
  networkPrefix: z
    .string()
    .refine(
      isContainerRange,
      hint(
        "must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
      ),
    )
    .default("172.29"),
  networkMtu: wholeNumber(0, 9000)
    .refine((mtu) => mtu === 0 || mtu >= 576, hint("must be 0, which is Docker's default, or from 576 to 9000"))
    .default(0),
};
