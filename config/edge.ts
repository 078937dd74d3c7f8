import { z } from "zod";
import type { CertificateSource } from "../components/edge/edge-certificate";
import { digestImage, hostAndPort, httpUrl } from "./addresses";
import { alternatives } from "./alternatives";
import { NAMESPACE } from "./errors";
import { pkiRole, vaultMount } from "./names";
import { addressOrRange, hint, list, oneOf, optional, trueOrFalse, wholeNumber, type GroupOf } from "./values";

/** An IPv6 address has a colon, an IPv4 address has none; other code checks that it is an address at all. */
const isIPv4 = (addressOrRange: string): boolean => !addressOrRange.includes(":");

/** The edge: listeners, TLS, limits, its addresses. */
export const edge = {
  edgeImage: digestImage("Nginx").describe("Nginx image by digest."),
  exporterImage: digestImage("exporter's").describe("nginx-prometheus-exporter image by digest."),
  serviceUrl: httpUrl({ login: "clients send a token with each request", path: false }).describe(
    "The service's address for its users, for example https://audit.example.com; without a path.",
  ),
  edgePort: wholeNumber(1, 65535).default(80).describe("Port of the VM on which the service is offered."),
  edgeTlsPort: wholeNumber(1, 65535)
    .default(443)
    .describe("Port of the VM for TLS, when tls is on; edgePort then only redirects."),
  edgePlainHttp: trueOrFalse
    .default(false)
    .describe(
      "Let clients send their tokens over plain HTTP, for a network that is trusted; only with tls off and an http:// serviceUrl.",
    ),
  tls: oneOf("off", "files", "vault")
    .default("off")
    .describe(
      "Where the edge's certificate comes from, off, files or vault. Off = plain HTTP, for use behind a balancer that ends TLS.",
    ),
  tlsCertificateFile: optional(z.string())
    .meta({ allowed: "path of a PEM file" })
    .describe(
      "With files, the certificate and its chain (PEM) on the machine that runs the program; read at each `pulumi up`.",
    ),
  tlsKeyFile: optional(z.string())
    .meta({ allowed: "path of a PEM file" })
    .describe("With files, the certificate's private key (PEM, without a passphrase). A preview does without it."),
  tlsPkiMount: vaultMount("Vault's PKI").default("pki").describe("With vault, the mount of Vault's PKI."),
  tlsPkiRole: optional(pkiRole).describe(
    "With vault, the PKI's role that may issue for the host of serviceUrl; it must exist. For an address it needs allow_ip_sans and require_cn=false.",
  ),
  tlsPkiTtl: z
    .string()
    .regex(/^[1-9]\d*[smh]$/, hint("must be a time such as 72h"))
    .meta({ allowed: "a time such as `72h`" })
    .default("72h")
    .describe("With vault, the life of a certificate; the next one is fetched well before its end."),
  edgeClientRate: wholeNumber(0, 100_000)
    .default(0)
    .describe(
      "Requests a second that one client address, or one IPv6 /64, may send; more is answered 429. 0 = no limit.",
    ),
  edgeClientConnections: wholeNumber(0, 100_000)
    .default(0)
    .describe(
      "Requests that one client address, or one IPv6 /64, may have under way; more is answered 429. 0 = no limit.",
    ),
  edgeLoggedSuccesses: wholeNumber(1, 100)
    .default(100)
    .describe(
      "Per cent of the requests answered without an error that leave a line in nginx's access log; every other request does. Fewer lines leave more of the machine to requests (docs/benchmarks.md); all of them are counted in the metrics.",
    ),
  edgeTrustedProxies: list(addressOrRange, '["10.0.0.5"]')
    .default([])
    .describe(
      "Balancers in front whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id are believed, as addresses or ranges.",
    ),
  edgeDirectClients: trueOrFalse
    .default(false)
    .describe(
      "With edgeTrustedProxies, whether clients that come around those balancers are served; false = they are answered 403.",
    ),
  edgeMetricsPort: wholeNumber(1, 65535).default(9145).describe("Port of the VM on which Prometheus collects metrics."),
  edgeMetricsAllow: list(
    addressOrRange.refine(
      isIPv4,
      hint("must be an IPv4 address or range: the edge is reached over IPv4 alone, and another would never match"),
    ),
    '["10.0.0.9"]',
  ).describe("IPv4 addresses or ranges that may collect metrics; the connection's own address decides."),
  metricsAddress: hostAndPort("as Prometheus reaches the edge's metrics listener").describe(
    "host:port at which Prometheus reaches the edge's metrics listener; an IPv6 address in brackets.",
  ),
};

/** Where the edge's certificate comes from. */
export const certificate = alternatives(edge, "tls", "by", {
  off: {},
  files: { certificateFile: "tlsCertificateFile", keyFile: "tlsKeyFile" },
  vault: { role: "tlsPkiRole", mount: "tlsPkiMount", ttl: "tlsPkiTtl" },
});

/** Contradictions between these settings, one sentence each. */
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

/** Requests to these addresses do not leave the machine. */
const LOOPBACK = /^http:\/\/(localhost|127(\.\d+){3}|\[::1\])(:\d+)?$/;

function tlsContradictions(settings: GroupOf<typeof edge>): string[] {
  const { tls, serviceUrl } = settings;
  if (tls === "off") {
    if (!serviceUrl.startsWith("http://") || LOOPBACK.test(serviceUrl) || settings.edgePlainHttp) return [];
    return [
      `${NAMESPACE}:serviceUrl begins with http://, so clients would send their tokens in clear; set ${NAMESPACE}:tls, or begin with https:// where a balancer ends TLS, or set ${NAMESPACE}:edgePlainHttp to true if every network between is trusted`,
    ];
  }
  const ports = [settings.edgePort, settings.edgeMetricsPort];
  return [
    ...certificate.missing(settings),
    ...(serviceUrl.startsWith("https://")
      ? []
      : [`${NAMESPACE}:serviceUrl must begin with https:// when ${NAMESPACE}:tls is ${tls}`]),
    ...(ports.includes(settings.edgeTlsPort)
      ? [`${NAMESPACE}:edgeTlsPort must differ from ${NAMESPACE}:edgePort and ${NAMESPACE}:edgeMetricsPort`]
      : []),
  ];
}

/** Where the edge's certificate comes from; undefined = no TLS. */
export function certificateSource(values: GroupOf<typeof edge>): CertificateSource | undefined {
  const source = certificate.chosen(values);
  return source.by === "off" ? undefined : source;
}
