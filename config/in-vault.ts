import { APPROLE_MOUNT, DATABASE_MOUNT, type StackInVault } from "../lib/vault/rights";
import { certificateSource } from "./edge";
import type { Values } from "./groups";
import { logAgent, logSigner } from "./log";

/** What the stack's agents need in Vault, and the same as bootstrap settings, without defaults. */
export function inVault(settings: Values): { stack: StackInVault; bootstrap: object } {
  const { vaultMount, vaultPath, hostCidr, databaseHost, databasePort, databaseName, databaseSslMode } = settings;
  const source = certificateSource(settings);
  const certificate = source?.by === "vault" ? { mount: source.mount, role: source.role } : undefined;
  const dynamic = settings.databaseCredentials === "dynamic";
  const authority = databaseSslMode === "verify-full" ? settings.caFile : undefined;
  const database = {
    mount: DATABASE_MOUNT,
    host: databaseHost,
    port: databasePort,
    name: databaseName,
    sslMode: databaseSslMode,
    ...(authority === undefined ? {} : { authority: authority.pem }),
  };
  const signer = logSigner.chosen(settings);
  const onCluster = settings.platform === "kubernetes";
  const { kubeNamespace, vaultKubernetesMount, vaultAudience } = settings;
  return {
    stack: {
      kvMount: vaultMount,
      vaultPath,
      appRoleMount: APPROLE_MOUNT,
      boundCidrs: hostCidr === undefined ? undefined : [hostCidr],
      ...(dynamic ? { database } : {}),
      ...(certificate === undefined ? {} : { certificate }),
      ...(signer.by === "vault" ? { log: { mount: signer.mount, agent: logAgent(settings) } } : {}),
      ...(onCluster
        ? { kubernetes: { mount: vaultKubernetesMount, audience: vaultAudience, namespace: kubeNamespace } }
        : {}),
    },
    bootstrap: {
      vaultPath,
      ...(onCluster ? { platform: "kubernetes", kubeNamespace, vaultKubernetesMount, vaultAudience } : {}),
      ...(hostCidr === undefined ? {} : { hostCidr }),
      ...(dynamic
        ? {
            ...{ databaseCredentials: "dynamic", databaseHost, databasePort, databaseName, databaseSslMode },
            ...(authority === undefined ? {} : { caFile: authority.file }),
          }
        : {}),
      ...(certificate === undefined
        ? {}
        : { tls: "vault", tlsPkiMount: certificate.mount, tlsPkiRole: certificate.role }),
      ...(signer.by === "vault" ? { log: "vault", logTransitMount: signer.mount } : {}),
      ...(signer.by === "vault" && settings.logPlatform !== undefined ? { logPlatform: settings.logPlatform } : {}),
    },
  };
}
