import { z } from "zod";
import { digestImage, httpUrl } from "./addresses";
import { vaultMount, vaultPath } from "./names";
import { hint, optional } from "./values";

const address = httpUrl({ login: "the token comes from VAULT_TOKEN" });

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
  vaultAddress: address,
  vaultAgentAddress: optional(address),
  vaultNamespace: optional(namespace),
  vaultPolicies: z.enum(["bootstrap", "program"], hint("must be bootstrap or program")).default("bootstrap"),
  vaultMount: vaultMount("a KV version 2 mount").default("secret"),
  vaultPath: vaultPath.default("audit-svc/vm2"),
};
