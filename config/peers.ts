import { z } from "zod";
import type { Peer } from "../components/vm/preflight";
import { NAMESPACE } from "./errors";
import type { Values } from "./groups";

/**
 * Servers that the containers on the VM must reach or answer, at a known address: none of their networks may contain
 * it.
 */
export function peersOf(settings: Values): Peer[] {
  const { databaseHost, vaultAddress, vaultAgentAddress } = settings;
  const addresses = (key: "edgeMetricsAllow" | "edgeTrustedProxies") =>
    settings[key].filter((text) => z.ipv4().safeParse(text).success).map((host) => ({ host, setting: key }));
  return [
    { host: databaseHost, setting: "databaseHost" },
    vaultAgentAddress === undefined
      ? { host: new URL(vaultAddress).hostname, setting: "vaultAddress" }
      : { host: new URL(vaultAgentAddress).hostname, setting: "vaultAgentAddress" },
    ...addresses("edgeMetricsAllow"),
    ...addresses("edgeTrustedProxies"),
  ].map(({ host, setting }) => ({ host, setting: `${NAMESPACE}:${setting}` }));
}
