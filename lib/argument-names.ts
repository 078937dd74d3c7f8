/**
 * How messages name the arguments of components: by component and argument, unless the program maps them to names that
 * its users know, for example its configuration keys.
 */
export type Argument =
  | "AccessTokens: versions"
  | "Cluster: context"
  | "Cluster: namespace"
  | "Cluster: podMonitors"
  | "Cluster: policyCheck"
  | "Cluster: registry"
  | "Database: passwordVersion"
  | "EdgeProxy: addressDeadline"
  | "EdgeProxy: certificate.certificateFile"
  | "EdgeProxy: certificate.keyFile"
  | "EdgeProxy: certificate.role"
  | "EdgeProxy: exposure"
  | "EdgeProxy: listen.metricsPort"
  | "EdgeProxy: listen.port"
  | "EdgeProxy: listen.tlsPort"
  | "EdgeProxy: publicUrl"
  | "Networks: mtu"
  | "Networks: range"
  | OfSteps
  | "findInVault: owner";

/** Arguments that the programs in steps/ name in messages. */
const OF_STEPS = [
  "Cluster: podMonitors.labels",
  "Observability: alerts.directory",
  "Observability: alerts.reload",
  "Observability: files",
  "Observability: prometheus.targets.directory",
  "Observability: prometheus.url",
  "the argument authority",
] as const;
type OfSteps = (typeof OF_STEPS)[number];

/** Environment variable that passes the names to a step, as JSON. */
const VARIABLE = "AUDIT_ARGUMENT_NAMES";

let names = JSON.parse(process.env[VARIABLE] ?? "{}") as Partial<Record<Argument, string>>;

/** Sets the names that messages use for arguments from now on. */
export function nameArguments(given: Partial<Record<Argument, string>>): void {
  names = given;
}

/** The name of an argument in messages. */
export function argumentName(argument: Argument): string {
  return names[argument] ?? argument;
}

/** Environment that passes the names to a step, which is a separate process. */
export function namesForSteps(): Record<string, string> {
  const given = OF_STEPS.filter((argument) => names[argument] !== undefined);
  if (given.length === 0) return {};
  return { [VARIABLE]: JSON.stringify(Object.fromEntries(given.map((argument) => [argument, names[argument]]))) };
}
