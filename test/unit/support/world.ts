/** The pieces that several components need, as index.ts would make them. */
import * as vault from "@pulumi/vault";
import { DockerHost } from "../../../components/docker-host";
import { Networks } from "../../../components/networks";
import type { ReleaseState, ReloadPort } from "../../../components/release";
import { Slots } from "../../../components/slots";

export const TOOLS = `registry.example.test/tools@sha256:${"0".repeat(64)}`;
export const IMAGE = `registry.example.test/audit-svc@sha256:${"1".repeat(64)}`;
export const OTHER_IMAGE = `registry.example.test/audit-svc@sha256:${"2".repeat(64)}`;

export function world(
  options: { image?: string; replicas?: number; previous?: ReleaseState; reloadOn?: ReloadPort } = {},
) {
  const host = new DockerHost("vm", { address: "ssh://deploy@vm.example.test:2222", tools: TOOLS });
  const networks = new Networks("audit", { host, range: "172.29" });
  const slots = new Slots("audit-svc", {
    host,
    networks,
    spec: { image: options.image ?? IMAGE, replicas: options.replicas ?? 2, reloadOn: options.reloadOn ?? "admin" },
    previous: options.previous,
  });
  const inVault = new vault.Provider("vault", { address: "https://vault.example.test:8200" });
  return { host, networks, slots, inVault };
}
