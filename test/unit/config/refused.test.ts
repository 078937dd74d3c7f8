import assert from "node:assert/strict";
import { problems } from "../support/settings";

/** What is wrong, the change to a good configuration, and the one problem that is reported. */
const refused: [string, Record<string, string | undefined>, string][] = [
  [
    "a key that does not exist",
    { "audit:replica": "2" },
    "audit:replica is not a setting of this program; remove it, or see docs/settings.md for the keys",
  ],
  [
    "a key in wrong case",
    { "audit:edgeport": "80" },
    "audit:edgeport is not a setting of this program; did you mean audit:edgePort?",
  ],
  ["a list with nothing in it", { "audit:applications": "[null]" }, "audit:applications[0] must be a string"],
  [
    "a volume for Prometheus without Docker",
    { "audit:prometheusImage": "", "audit:prometheusTargets": "targets" },
    "audit:prometheusTargets must be an absolute directory, such as /etc/prometheus/targets, or audit:prometheusImage must be set, by which a volume is written, not targets",
  ],
  [
    "a directory for Prometheus that is none",
    { "audit:prometheusImage": "prom", "audit:prometheusRules": "a b/../;x" },
    "audit:prometheusRules must be an absolute directory or the name of a Docker volume, not a b/../;x",
  ],
  [
    "a missing image",
    { "audit:image": undefined },
    "audit:image is missing; set the service's image by digest, registry/name@sha256:...",
  ],
  [
    "an image by tag",
    { "audit:image": "harbor.example.test/audit/audit-svc:1.0" },
    "audit:image must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release",
  ],
  ["replicas out of range", { "audit:replicas": "17" }, "audit:replicas must be from 1 to 16"],
  ["replicas that are no number", { "audit:replicas": "two" }, "audit:replicas must be a whole number from 1 to 16"],
  [
    "a host without user",
    { "audit:hostAddress": "ssh://vm2" },
    "audit:hostAddress must be ssh://user@host[:port] with a valid host name or address (IPv6 in brackets, without a zone), or unix:///path, of a Docker Engine",
  ],
  [
    "an option in the host's place",
    { "audit:hostAddress": "ssh://-oProxyCommand=x@vm2;id" },
    "audit:hostAddress must be ssh://user@host[:port] with a valid host name or address (IPv6 in brackets, without a zone), or unix:///path, of a Docker Engine",
  ],
  [
    "an unknown owner of Vault's policies",
    { "audit:vaultPolicies": "me" },
    "audit:vaultPolicies must be bootstrap or program",
  ],
  [
    "an address with a path",
    { "audit:serviceUrl": "https://audit.example.test/v1" },
    "audit:serviceUrl must be http:// or https://, a valid host name or address (IPv6 in brackets, without a zone) and an optional port, nothing more",
  ],
  [
    "a list that is none",
    { "audit:edgeMetricsAllow": "10.0.0.9" },
    'audit:edgeMetricsAllow must be a list such as ["10.0.0.9"]',
  ],
  [
    "a wrong item of a list",
    { "audit:edgeMetricsAllow": '["10.0.0.9", "everybody"]' },
    "audit:edgeMetricsAllow[1] must be an address or a range such as 10.0.0.0/24",
  ],
  [
    "an address that there is not",
    { "audit:edgeTrustedProxies": '["10.0.0.256"]' },
    "audit:edgeTrustedProxies[0] must be an address or a range such as 10.0.0.0/24",
  ],
  [
    "a range that is too narrow",
    { "audit:hostCidr": "10.0.0.7/33" },
    "audit:hostCidr must be an address range such as 10.0.0.7/32",
  ],
  [
    "an application twice",
    { "audit:applications": '["crm", "crm"]' },
    "audit:applications must not name an application twice",
  ],
  [
    "the service's own application",
    { "audit:applications": '["crm", "audit-svc"]' },
    "audit:applications must not name audit-svc, under which the service records who read the log",
  ],
  [
    "the application of the smoke test",
    { "audit:applications": '["crm", "smoke"]' },
    "audit:applications must not name smoke, under which the pipeline's smoke test writes",
  ],
  ...[
    ["no version", "[]"],
    ["a version twice", "[1, 1]"],
    ["versions that go down", "[2, 1]"],
    ["version 0", "[0, 1]"],
    ["half a version", "[1.5]"],
    ["a version in quotes", '["1"]'],
    ["a version that is no list", "2"],
  ].map(([what = "", versions = ""]): [string, Record<string, string>, string] => [
    `${what} of a token`,
    { "audit:tokenVersions": `{"writer-demo": ${versions}}` },
    "audit:tokenVersions[writer-demo] must list whole numbers from 1 in ascending order, such as [1, 2] to rotate the token and then [2]",
  ]),
  ...["writer-demo", "[1, 2]", "null"].map((text): [string, Record<string, string>, string] => [
    `no versions by holder, but ${text}`,
    { "audit:tokenVersions": text },
    'audit:tokenVersions must be versions by holder, such as {"writer-billing": [1, 2]}',
  ]),
  [
    "a holder without a token",
    { "audit:tokenVersions": '{"writer-crm": [1, 2]}' },
    "audit:tokenVersions names writer-crm, which has no token; remove it, or name reader, or writer- or reader- before an application of audit:applications",
  ],
  ["a word for yes", { "audit:recordReads": "yes" }, "audit:recordReads must be true or false"],
  ["a log that somebody unknown signs", { "audit:log": "on" }, "audit:log must be off, vault or key"],
  [
    "a name of the log that no verifier takes",
    { "audit:log": "key", "audit:logOrigin": "audit+vm2" },
    "audit:logOrigin must be 1 to 200 printable ASCII characters without spaces or +, such as audit.example.com/vm2",
  ],
  ["no application", { "audit:applications": "[]" }, "audit:applications must name at least one application"],
  [
    "a range for containers that there is not",
    { "audit:networkPrefix": "10.256" },
    "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
  ],
  [
    "a public range for containers",
    { "audit:networkPrefix": "8.8.0.0/22" },
    "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
  ],
  [
    "a range for containers that begins in the middle of another",
    { "audit:networkPrefix": "10.20.5.0/22" },
    "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
  ],
  [
    "an MTU that no network has",
    { "audit:networkMtu": "150" },
    "audit:networkMtu must be 0, which is Docker's default, or from 576 to 9000",
  ],
  [
    "a wrong TLS mode",
    { "audit:databaseSslMode": "maybe" },
    "audit:databaseSslMode must be disable, require or verify-full",
  ],
  ["a wrong address range", { "audit:hostCidr": "vm2" }, "audit:hostCidr must be an address range such as 10.0.0.7/32"],
  [
    "TLS from files that are not named",
    { "audit:tls": "files", "audit:tlsKeyFile": "edge.key" },
    "audit:tlsCertificateFile is missing; it is needed with audit:tls files",
  ],
  [
    "TLS from Vault without a role",
    { "audit:tls": "vault" },
    "audit:tlsPkiRole is missing; it is needed with audit:tls vault",
  ],
  [
    "TLS with a plain address",
    { "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:serviceUrl": "http://audit.example.test" },
    "audit:serviceUrl must begin with https:// when audit:tls is vault",
  ],
  [
    "TLS on another listener's port",
    { "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:edgeTlsPort": "80" },
    "audit:edgeTlsPort must differ from audit:edgePort and audit:edgeMetricsPort",
  ],
  [
    "tokens in clear",
    { "audit:serviceUrl": "http://audit.example.test" },
    "audit:serviceUrl begins with http://, so clients would send their tokens in clear; set audit:tls, or begin with https:// where a balancer ends TLS, or set audit:edgePlainHttp to true if every network between is trusted",
  ],
  [
    "a collector of metrics that could never come",
    { "audit:edgeMetricsAllow": '["10.0.0.9", "2001:db8::9"]' },
    "audit:edgeMetricsAllow[1] must be an IPv4 address or range: the edge is reached over IPv4 alone, and another would never match",
  ],
  [
    "balancers of which none could come",
    { "audit:edgeTrustedProxies": '["2001:db8::/32"]' },
    "audit:edgeTrustedProxies must name an IPv4 address or range: the edge is reached over IPv4 alone, so the balancer in front of it has one",
  ],
  [
    "one port for two listeners",
    { "audit:edgeMetricsPort": "80" },
    "audit:edgeMetricsPort must differ from audit:edgePort (80)",
  ],
  [
    "a login without password",
    { "audit:registryUsername": "robot" },
    "audit:registryPassword is missing; set it with `pulumi config set --secret audit:registryPassword` or AUDIT_REGISTRY_PASSWORD",
  ],
  [
    "two data sources",
    { "audit:grafanaPrometheusUrl": "http://p:9090" },
    "audit:grafanaDataSource and audit:grafanaPrometheusUrl: set one of them; the first names a data source that exists, the second has one made",
  ],
  [
    "targets in files without a host for them",
    { "audit:prometheusHost": undefined, "audit:alerts": "none" },
    "audit:prometheusHost is missing; set it, or set audit:prometheusDiscovery to http instead of file",
  ],
  [
    "alerts without a place for them",
    { "audit:prometheusRules": undefined },
    "audit:prometheusRules is missing; set it, or set audit:alerts to grafana instead of prometheus",
  ],
  [
    "a metrics address with scheme",
    { "audit:metricsAddress": "http://vm2:9145" },
    "audit:metricsAddress must be host:port, or [IPv6 address]:port without a zone (%eth0), as Prometheus reaches the edge's metrics listener",
  ],
];

describe("configuration", () => {
  for (const [what, change, message] of refused)
    it(`refuses ${what}`, () => assert.deepEqual(problems(change), [message]));
});
