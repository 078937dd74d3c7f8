import { z } from "zod";
import { digestImage, hint, httpUrl, optional } from "./values";

const namespace = z
  .string()
  .transform((text) => text.replace(/^\/+|\/+$/g, ""))
  .pipe(
    z
      .string()
      .regex(
        /^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/,
        hint("must be the path of a namespace in Vault, for example team or company/team"),
      ),
  );

/** Vault, as the program and the agents reach it, and where the secrets are. */
export const vault = {
  vaultImage: digestImage("Vault"),
  vaultAddress: httpUrl,
  vaultAgentAddress: optional(httpUrl),
  vaultNamespace: optional(namespace),
  vaultMount: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9_/-]*[a-z0-9]$/,
      hint("must be the path of a KV version 2 mount, without slashes at its ends"),
    )
    .default("secret"),
  vaultPath: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_/-]*[A-Za-z0-9]$/,
      hint("must be a path without slashes at its ends, for example audit-svc/vm2"),
    )
    .default("audit-svc/vm2"),
};
