import { z } from "zod";
import { readCertificateAuthority } from "../lib/certificate-authority";
import { optional } from "./values";

/** Certificate authorities that the program, and what it runs on the VM, trust. */
export const trust = {
  caFile: optional(
    z.string().transform((file, context) => {
      try {
        return readCertificateAuthority(file);
      } catch (error) {
        context.addIssue({ code: "custom", message: (error as Error).message });
        return z.NEVER;
      }
    }),
  )
    .meta({ allowed: "path of a PEM file" })
    .describe(
      "PEM file with the certificates of your own authorities, which signed those of Vault, PostgreSQL, Prometheus or Grafana; relative to Pulumi.yaml, or absolute. Vault, PostgreSQL and Grafana are then trusted by these alone. Empty = the public authorities.",
    ),
};
