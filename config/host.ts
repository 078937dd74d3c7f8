import { z } from "zod";
import { engineAddress } from "./addresses";
import { hint, identifier, list, optional, range } from "./values";

/** The VM and its container networks. */
export const host = {
  // Part of the dashboards' uids, of which Grafana takes 40 letters.
  environment: identifier("a name such as vm2").max(28, hint("must have at most 28 letters")),
  hostAddress: engineAddress,
  hostSshOptions: list(z.string(), '["-F", "ssh/config"]').default([]),
  hostCidr: optional(range),
  networkPrefix: z
    .string()
    .regex(
      /^(10\.(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])|172\.(1[6-9]|2\d|3[01])|192\.168)$/,
      hint("must be two octets of a private range, for example 172.29"),
    )
    .default("172.29"),
};
