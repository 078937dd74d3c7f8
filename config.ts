import { runtime, secret, type Output } from "@pulumi/pulumi";
import { z } from "zod";
import type { CertificateSource } from "./components/edge-certificate";
import { UserError } from "./components/user-error";

/** Namespace of the stack's configuration: the project's name in Pulumi.yaml. */
export const NAMESPACE = "audit";

/** Every mistake in the stack's configuration. */
export class ConfigError extends UserError {
  constructor(readonly problems: readonly string[]) {
    const count = problems.length === 1 ? "1 mistake" : `${problems.length} mistakes`;
    super(
      `The stack's configuration has ${count}; nothing was changed.\n${problems.map((p) => `  - ${p}`).join("\n")}`,
    );
  }
}

const hint = (text: string) => ({ error: text });

const digestImage = (what: string) =>
  z
    .string(hint(`is missing; set the ${what} image by digest, registry/name@sha256:...`))
    .regex(
      /^[a-z0-9.-]+(:\d+)?(\/[a-z0-9._-]+)+@sha256:[0-9a-f]{64}$/,
      hint("must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release"),
    );

const httpUrl = z
  .string(hint("is missing; set an address such as https://host:port"))
  .regex(/^https?:\/\/[^/\s]+\/?$/, hint("must be http:// or https://, a host and an optional port, nothing more"))
  .transform((url) => url.replace(/\/$/, ""));

const engineAddress = z
  .string(hint("is missing; set ssh://user@host[:port] or unix:///path"))
  .regex(
    /^(ssh:\/\/[A-Za-z0-9._-]+@[A-Za-z0-9.-]+(:\d+)?|unix:\/\/\/\S+)$/,
    hint("must be ssh://user@host[:port] or unix:///path of a Docker Engine"),
  );

const wholeNumber = (low: number, high: number) =>
  z
    .string(hint(`is missing; set a whole number from ${low} to ${high}`))
    .regex(/^\d+$/, hint(`must be a whole number from ${low} to ${high}`))
    .transform(Number)
    .refine((n) => n >= low && n <= high, hint(`must be from ${low} to ${high}`));

const anyRange = z.union([z.cidrv4(), z.cidrv6()]);
const anyAddress = z.union([z.ipv4(), z.ipv6(), anyRange]);
// By refine(): a union that fails says what one of its members says.
const range = z
  .string()
  .refine((text) => anyRange.safeParse(text).success, hint("must be an address range such as 10.0.0.7/32"));
const addressOrRange = z
  .string()
  .refine((text) => anyAddress.safeParse(text).success, hint("must be an address or a range such as 10.0.0.0/24"));

const list = (item: z.ZodType<string>, example: string) =>
  z
    .string(hint(`is missing; set a list such as ${example}`))
    .transform((text, context) => {
      try {
        return JSON.parse(text) as unknown;
      } catch {
        context.addIssue({ code: "custom", message: `must be a list such as ${example}` });
        return z.NEVER;
      }
    })
    .pipe(z.array(item, hint(`must be a list such as ${example}`)));

const identifier = (what: string) =>
  z
    .string(hint(`is missing; set ${what}`))
    .regex(/^[a-z][a-z0-9-]{0,30}$/, hint("must be 1 to 31 small letters, digits or hyphens, a letter first"));

const host = z
  .string(hint("is missing; set a host name or address"))
  .regex(/^[A-Za-z0-9._-]+$/, hint("must be a host name or address without port or scheme"));

const optional = <T extends z.ZodType>(schema: T) =>
  z
    .literal("")
    .transform(() => undefined)
    .or(schema)
    .optional();

/** One entry a key of the stack's configuration; descriptions and defaults are in Pulumi.yaml, which the CLI checks as well. */
const schema = z.strictObject({
  environment: identifier("a name such as vm2"),
  hostAddress: engineAddress,
  hostSshOptions: list(z.string(), '["-F", "ssh/config"]').default([]),
  hostCidr: optional(range),
  networkPrefix: z
    .string()
    .regex(
      /^(10\.(\d|[1-9]\d|1\d\d|2[0-4]\d|25[0-5])|172\.(1[6-9]|2\d|3[01])|192\.168)$/,
      hint("must be two octets of a private range, for example 172.29"),
    )
    .default("172.29"),
  image: digestImage("service's"),
  registryUsername: optional(z.string()),
  registryPassword: optional(z.string()),
  replicas: wholeNumber(1, 16).default(2),
  memory: wholeNumber(64, 65536).default(256),
  reloadOn: z.enum(["admin", "main"], hint("must be admin or main")).default("admin"),
  readySeconds: wholeNumber(5, 3600).default(60),
  edgeImage: digestImage("Nginx"),
  exporterImage: digestImage("exporter's"),
  vaultImage: digestImage("Vault"),
  databaseHost: host,
  databasePort: wholeNumber(1, 65535).default(5432),
  databaseName: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,40}$/, hint("must be 1 to 41 small letters, digits or underscores, a letter first"))
    .default("audit"),
  databaseSslMode: z
    .enum(["disable", "require", "verify-full"], hint("must be disable, require or verify-full"))
    .default("require"),
  databaseAdminHost: optional(host),
  databaseAdminPort: wholeNumber(0, 65535).default(0),
  databaseLimit: wholeNumber(0, 1_000_000).default(0),
  databaseCredentials: z.enum(["static", "dynamic"], hint("must be static or dynamic")).default("static"),
  databasePasswordVersion: wholeNumber(1, 1_000_000).default(1),
  databaseAdminUser: z.string().min(1).default("deployer"),
  protectData: z
    .enum(["true", "false"], hint("must be true or false"))
    .transform((text) => text === "true")
    .default(true),
  vaultAddress: httpUrl,
  vaultAgentAddress: optional(httpUrl),
  vaultMount: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9_/-]*[a-z0-9]$/,
      hint("must be the path of a KV version 2 mount, without slashes at its ends"),
    )
    .default("secret"),
  vaultPath: z
    .string()
    .regex(
      /^[A-Za-z0-9][A-Za-z0-9_/-]*[A-Za-z0-9]$/,
      hint("must be a path without slashes at its ends, for example audit-svc/vm2"),
    )
    .default("audit-svc/vm2"),
  applications: list(
    z
      .string()
      .regex(/^[a-z][a-z0-9-]{0,30}$/, hint("must be 1 to 31 small letters, digits or hyphens, a letter first")),
    '["billing", "crm"]',
  )
    .refine((names) => names.length > 0, hint("must name at least one application"))
    .refine((names) => new Set(names).size === names.length, hint("must not name an application twice"))
    .default(["demo"]),
  edgePort: wholeNumber(1, 65535).default(80),
  edgeMetricsPort: wholeNumber(1, 65535).default(9145),
  edgeTlsPort: wholeNumber(1, 65535).default(443),
  tls: z.enum(["off", "files", "vault"], hint("must be off, files or vault")).default("off"),
  tlsCertificateFile: optional(z.string()),
  tlsKeyFile: optional(z.string()),
  tlsPkiMount: z.string().min(1).default("pki"),
  tlsPkiRole: optional(z.string()),
  tlsPkiTtl: z
    .string()
    .regex(/^[1-9]\d*[smh]$/, hint("must be a time such as 72h"))
    .default("72h"),
  edgeClientRate: wholeNumber(0, 100_000).default(0),
  edgeClientConnections: wholeNumber(0, 100_000).default(0),
  edgeTrustedProxies: list(addressOrRange, '["10.0.0.5"]').default([]),
  edgeMetricsAllow: list(addressOrRange, '["10.0.0.9"]'),
  serviceUrl: httpUrl,
  metricsAddress: z
    .string(hint("is missing; set host:port"))
    .regex(/^[A-Za-z0-9._-]+:\d+$/, hint("must be host:port, as Prometheus reaches the edge's metrics listener")),
  prometheusUrl: httpUrl,
  prometheusDiscovery: z.enum(["file", "http"], hint("must be file or http")).default("file"),
  prometheusHost: optional(engineAddress),
  prometheusSshOptions: list(z.string(), '["-F", "ssh/config"]').default([]),
  prometheusImage: optional(z.string()),
  prometheusTargets: optional(z.string()),
  alerts: z.enum(["prometheus", "grafana", "none"], hint("must be prometheus, grafana or none")).default("prometheus"),
  prometheusRules: optional(z.string()),
  prometheusReload: optional(z.string()),
  runbookUrl: z
    .string()
    .regex(/^\S+$/, hint("must be the address of docs/runbook.md as people open it"))
    .default("docs/runbook.md"),
  grafanaUrl: httpUrl,
  grafanaPublicUrl: optional(httpUrl),
  grafanaPrometheusUrl: optional(httpUrl),
  grafanaDataSource: optional(z.string().regex(/^[A-Za-z0-9_-]{1,40}$/, hint("must be the uid of a data source"))),
});

/** The whole configuration of a stack, validated. Ports are numbers, lists are arrays, an absent option is undefined. */
export type Settings = z.output<typeof schema>;

/**
 * Reads and checks the whole configuration at once, before any resource is made.
 *
 * @param values configuration as the engine gives it: full key (`audit:replicas`) to text; lists are JSON
 * @throws ConfigError naming every mistake: the key, what is wrong, how to mend it
 */
export function parseSettings(values: Readonly<Record<string, string>>): Settings {
  const own = Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
      .map(([key, value]) => [key.slice(NAMESPACE.length + 1), value]),
  );
  const result = schema.safeParse(own);
  const problems = result.success ? [] : result.error.issues.flatMap(describeIssue);
  if (result.success) problems.push(...contradictions(result.data));
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return result.data;
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const near = Object.keys(schema.shape).find((known) => known.toLowerCase() === key.toLowerCase());
      const cure =
        near === undefined
          ? "remove it, or see Pulumi.yaml for the keys there are"
          : `did you mean ${NAMESPACE}:${near}?`;
      return `${NAMESPACE}:${key} is not a setting of this program; ${cure}`;
    });
  }
  const [key, ...rest] = issue.path;
  const where = rest.length === 0 ? "" : `[${rest.join("][")}]`;
  if (issue.code === "invalid_union") {
    const inner = issue.errors.flat().find((e) => e.code !== "invalid_value") ?? issue.errors.flat()[0];
    return [`${NAMESPACE}:${String(key)}${where} ${inner?.message ?? "is not valid"}`];
  }
  return [`${NAMESPACE}:${String(key)}${where} ${issue.message}`];
}

function contradictions(settings: Settings): string[] {
  const problems: string[] = [];
  if (settings.edgePort === settings.edgeMetricsPort) {
    problems.push(`${NAMESPACE}:edgeMetricsPort must differ from ${NAMESPACE}:edgePort (${settings.edgePort})`);
  }
  problems.push(...tlsContradictions(settings));
  if ((settings.grafanaPrometheusUrl === undefined) === (settings.grafanaDataSource === undefined)) {
    problems.push(
      `${NAMESPACE}:grafanaDataSource and ${NAMESPACE}:grafanaPrometheusUrl: set one of them; the first names a data source that exists, the second has one made`,
    );
  }
  problems.push(...missingForPrometheus(settings));
  if (settings.registryUsername !== undefined && settings.registryPassword === undefined) {
    problems.push(
      `${NAMESPACE}:registryPassword is missing; set it with \`pulumi config set --secret ${NAMESPACE}:registryPassword\` or AUDIT_REGISTRY_PASSWORD`,
    );
  }
  return problems;
}

function tlsContradictions(settings: Settings): string[] {
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
export function certificateSource(settings: Settings): CertificateSource | undefined {
  const { tls, tlsCertificateFile, tlsKeyFile, tlsPkiMount, tlsPkiRole, tlsPkiTtl } = settings;
  if (tls === "files") return { by: "files", certificateFile: tlsCertificateFile ?? "", keyFile: tlsKeyFile ?? "" };
  return tls === "vault" ? { by: "vault", mount: tlsPkiMount, role: tlsPkiRole ?? "", ttl: tlsPkiTtl } : undefined;
}

/** Where Prometheus reads its files must be known when there are files for it. */
function missingForPrometheus(settings: Settings): string[] {
  const needs = [
    ...(settings.prometheusDiscovery === "file" ? [["prometheusDiscovery", "file", "prometheusTargets"] as const] : []),
    ...(settings.alerts === "prometheus" ? [["alerts", "prometheus", "prometheusRules"] as const] : []),
  ];
  return needs.flatMap(([key, value, directory]) => {
    const missing = (["prometheusHost", directory] as const).filter((name) => settings[name] === undefined);
    const others = { prometheusDiscovery: "http", alerts: "grafana" }[key];
    return missing.map(
      (name) => `${NAMESPACE}:${name} is missing; set it, or set ${NAMESPACE}:${key} to ${others} instead of ${value}`,
    );
  });
}

/**
 * The configuration of the stack that is being deployed. The one secret in it may also come from the environment, as CI
 * gives it: AUDIT_REGISTRY_PASSWORD, when the key is not set.
 *
 * @throws ConfigError, see {@link parseSettings}
 */
export function settingsOfStack(): Settings {
  const values = runtime.allConfig();
  const key = `${NAMESPACE}:registryPassword`;
  const password = process.env.AUDIT_REGISTRY_PASSWORD;
  // The CLI hands over Pulumi.yaml's defaults as if they were set.
  return parseSettings(password !== undefined && !values[key] ? { ...values, [key]: password } : values);
}

/** How the VM logs in where the service's image is; undefined = anonymously. The password is marked as secret. */
export function registryLogin(
  settings: Settings,
): { server: string; username: string; password: Output<string> } | undefined {
  const { registryUsername: username, registryPassword: password } = settings;
  if (username === undefined || password === undefined) return undefined;
  const server = settings.image.slice(0, settings.image.indexOf("/"));
  return { server, username, password: secret(password) };
}
