import type { Values } from "../../config";
import { NAMESPACE } from "../../config/errors";
import { imageByDigest } from "../../lib/image-reference";
import { bareHost } from "../../lib/network-address";

export interface Reached {
  readonly what: "PostgreSQL" | "Vault" | "the registry";
  readonly setting: string;
  readonly host: string;
  readonly port: number;
}

/** What containers and the engine on the VM must reach from there. */
export function reachedFromHost(values: Values): Reached[] {
  const vaultSetting = values.vaultAgentAddress === undefined ? "vaultAddress" : "vaultAgentAddress";
  const vault = new URL(values.vaultAgentAddress ?? values.vaultAddress);
  const image = imageByDigest(values.image);
  const registry =
    typeof image === "string" || image.registry === "docker.io" ? undefined : new URL(`https://${image.registry}`);
  return [
    { what: "PostgreSQL", setting: `${NAMESPACE}:databaseHost`, host: values.databaseHost, port: values.databasePort },
    {
      ...{ what: "Vault", setting: `${NAMESPACE}:${vaultSetting}`, host: bareHost(vault.hostname) },
      port: Number(vault.port || (vault.protocol === "https:" ? 443 : 80)),
    },
    ...(registry === undefined
      ? []
      : [
          {
            ...{ what: "the registry" as const, setting: `${NAMESPACE}:image`, host: bareHost(registry.hostname) },
            port: Number(registry.port || 443),
          },
        ]),
  ];
}
