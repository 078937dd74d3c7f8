import { z } from "zod";
import type { CertificateSource } from "../components/edge-certificate";
import { digestImage, hostAndPort, httpUrl } from "./addresses";
import { NAMESPACE } from "./errors";
import { pkiRole, vaultMount } from "./names";
import { addressOrRange, hint, list, optional, trueOrFalse, wholeNumber, type GroupOf } from "./values";

/** An IPv6 address has a colon, one of IPv4 has none; that it is an address at all is looked at elsewhere. */
const isIPv4 = (addressOrRange: string): boolean => !addressOrRange.includes(":");

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
  tlsPkiRole: optional(pkiRole),
  tlsPkiTtl: z
    .string()
    .regex(/^[1-9]\d*[smh]$/, hint("must be a time such as 72h"))
    .default("72h"),
  edgeClientRate: wholeNumber(0, 100_000).default(0),
  edgeClientConnections: wholeNumber(0, 100_000).default(0),
  edgeTrustedProxies: list(addressOrRange, '["10.0.0.5"]').default([]),
  edgeDirectClients: trueOrFalse.default(false),
  edgeMetricsAllow: list(
    addressOrRange.refine(
      isIPv4,
      hint("must be an IPv4 address or range: the edge is reached over IPv4 alone, and another would never match"),
    ),
    '["10.0.0.9"]',
  ),
  edgePlainHttp: trueOrFalse.default(false),
  serviceUrl: httpUrl({ login: "clients send a token with each request", path: false }),
  metricsAddress: hostAndPort("as Prometheus reaches the edge's metrics listener"),
};

/** What of these settings does not go together, one sentence each. */
export function edgeContradictions(settings: GroupOf<typeof edge>): string[] {
  const problems = tlsContradictions(settings);
  if (settings.edgePort === settings.edgeMetricsPort) {
    problems.unshift(`${NAMESPACE}:edgeMetricsPort must differ from ${NAMESPACE}:edgePort (${settings.edgePort})`);
  }
  if (settings.edgeTrustedProxies.length > 0 && !settings.edgeTrustedProxies.some(isIPv4)) {
    problems.push(
      `${NAMESPACE}:edgeTrustedProxies must name an IPv4 address or range: the edge is reached over IPv4 alone, so the balancer in front of it has one`,
    );
  }
  return problems;
}

/** What is sent there does not leave the machine. */
const LOOPBACK = /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

function tlsContradictions(settings: GroupOf<typeof edge>): string[] {
  const { tls, serviceUrl } = settings;
  if (tls === "off") {
    if (!serviceUrl.startsWith("http://") || LOOPBACK.test(serviceUrl) || settings.edgePlainHttp) return [];
    return [
      `${NAMESPACE}:serviceUrl begins with http://, so clients would send their tokens in clear; set ${NAMESPACE}:tls, or begin with https:// where a balancer ends TLS, or set ${NAMESPACE}:edgePlainHttp to true if every network between is trusted`,
    ];
  }
  const needed = ({ files: ["tlsCertificateFile", "tlsKeyFile"], vault: ["tlsPkiRole"] } as const)[tls];
  const ports = [settings.edgePort, settings.edgeMetricsPort];
  return [
    ...needed
      .filter((key) => settings[key] === undefined)
      .map((key) => `${NAMESPACE}:${key} is missing; it is needed with ${NAMESPACE}:tls ${tls}`),
    ...(serviceUrl.startsWith("https://")
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
