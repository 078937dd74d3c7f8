import { z } from "zod";
import { digestImage, httpUrl } from "./addresses";
import { vaultMount, vaultPath } from "./names";
import { hint, oneOf, optional } from "./values";

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
  vaultImage: digestImage("Vault").describe("Vault image by digest, for the agent beside the service."),
  vaultAddress: address.describe(
    "Vault as this program reaches it, perhaps below a path; the token comes from VAULT_TOKEN.",
  ),
  vaultAgentAddress: optional(address).describe("Vault as the VM reaches it, when that differs from vaultAddress."),
  vaultNamespace: optional(namespace)
    .meta({ variable: "VAULT_NAMESPACE" })
    .describe(
      "Namespace in Vault Enterprise or HCP Vault that holds everything of this program. Empty = VAULT_NAMESPACE of the environment, or none.",
    ),
  vaultPolicies: oneOf("bootstrap", "program")
    .default("bootstrap")
    .describe(
      "Who writes the agents' policies and roles in Vault. bootstrap = an administrator, by bootstrap/vault.ts; program = this program, whose token may then grant itself anything.",
    ),
  vaultMount: vaultMount("a KV version 2 mount").default("secret").describe("KV version 2 mount of the secrets."),
  vaultPath: vaultPath
    .default("audit-svc/vm2")
    .describe(
      "Path of the service's secret within the mount. Each stack that shares a Vault needs one of its own, for example audit-svc/cluster.",
    ),
};
