import { z } from "zod";
import type { CertificateSource } from "../components/edge-certificate";
import { digestImage, hostAndPort, httpUrl } from "./addresses";
import { NAMESPACE } from "./errors";
import { vaultMount } from "./names";
import { addressOrRange, hint, list, optional, wholeNumber, type GroupOf } from "./values";

/** The edge: listeners, TLS, limits, its addresses. */
export const edge = {
  edgeImage: digestImage("Nginx"),
  exporterImage: digestImage("exporter's"),
  edgePort: wholeNumber(1, 65535).default(80),
  edgeMetricsPort: wholeNumber(1, 65535).default(9145),
  edgeTlsPort: wholeNumber(1, 65535).default(443),
  tls: z.enum(["off", "files", "vault"], hint("must be off, files or vault")).default("off"),
  tlsCertificateFile: optional(z.string()),
  tlsKeyFile: optional(z.string()),
  tlsPkiMount: vaultMount("Vault's PKI").default("pki"),
  tlsPkiRole: optional(
    z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, hint("must be the name of a role of Vault's PKI")),
  ),
  tlsPkiTtl: z
    .string()
    .regex(/^[1-9]\d*[smh]$/, hint("must be a time such as 72h"))
    .default("72h"),
  edgeClientRate: wholeNumber(0, 100_000).default(0),
  edgeClientConnections: wholeNumber(0, 100_000).default(0),
  edgeTrustedProxies: list(addressOrRange, '["10.0.0.5"]').default([]),
  edgeMetricsAllow: list(addressOrRange, '["10.0.0.9"]'),
  serviceUrl: httpUrl({ login: "clients send a token with each request", path: false }),
  metricsAddress: hostAndPort("as Prometheus reaches the edge's metrics listener"),
};

/** What of these settings does not go together, one sentence each. */
export function edgeContradictions(settings: GroupOf<typeof edge>): string[] {
  const problems = tlsContradictions(settings);
  if (settings.edgePort === settings.edgeMetricsPort) {
    problems.unshift(`${NAMESPACE}:edgeMetricsPort must differ from ${NAMESPACE}:edgePort (${settings.edgePort})`);
  }
  return problems;
}

function tlsContradictions(settings: GroupOf<typeof edge>): string[] {
  const { tls } = settings;
  if (tls === "off") return [];
  const needed = ({ files: ["tlsCertificateFile", "tlsKeyFile"], vault: ["tlsPkiRole"] } as const)[tls];
  const ports = [settings.edgePort, settings.edgeMetricsPort];
  return [
    ...needed
      .filter((key) => settings[key] === undefined)
      .map((key) => `${NAMESPACE}:${key} is missing; it is needed with ${NAMESPACE}:tls ${tls}`),
    ...(settings.serviceUrl.startsWith("https://")
      ? []
      : [`${NAMESPACE}:serviceUrl must begin with https:// when ${NAMESPACE}:tls is ${tls}`]),
    ...(ports.includes(settings.edgeTlsPort)
      ? [`${NAMESPACE}:edgeTlsPort must differ from ${NAMESPACE}:edgePort and ${NAMESPACE}:edgeMetricsPort`]
      : []),
  ];
}

/** Where the edge's certificate comes from; undefined = no TLS. */
export function certificateSource(settings: GroupOf<typeof edge>): CertificateSource | undefined {
  const { tls, tlsCertificateFile, tlsKeyFile, tlsPkiMount, tlsPkiRole, tlsPkiTtl } = settings;
  if (tls === "files") return { by: "files", certificateFile: tlsCertificateFile ?? "", keyFile: tlsKeyFile ?? "" };
  return tls === "vault" ? { by: "vault", mount: tlsPkiMount, role: tlsPkiRole ?? "", ttl: tlsPkiTtl } : undefined;
}
