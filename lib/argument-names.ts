/**
 * How messages name the arguments of components: by component and argument, unless the program says what its own users know them by, for
 * example the keys of its configuration.
 */
export type Argument =
  | "AccessTokens: versions"
  | "Cluster: context"
  | "Cluster: policyCheck"
  | "Cluster: registry"
  | "Database: passwordVersion"
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

/** Those that messages of the programs in steps/ name. */
const OF_STEPS = [
  "Observability: alerts.directory",
  "Observability: alerts.reload",
  "Observability: files",
  "Observability: prometheus.targets.directory",
  "Observability: prometheus.url",
  "the argument authority",
] as const;
type OfSteps = (typeof OF_STEPS)[number];

/** Environment variable by which a step has the names, as JSON. */
const VARIABLE = "AUDIT_ARGUMENT_NAMES";

let names = JSON.parse(process.env[VARIABLE] ?? "{}") as Partial<Record<Argument, string>>;

/** Says what messages call arguments from now on. */
export function nameArguments(given: Partial<Record<Argument, string>>): void {
  names = given;
}

/** What a message calls an argument. */
export function argumentName(argument: Argument): string {
  return names[argument] ?? argument;
}

/** Environment of a step: it is a process of its own. */
export function namesForSteps(): Record<string, string> {
  const given = OF_STEPS.filter((argument) => names[argument] !== undefined);
  if (given.length === 0) return {};
  return { [VARIABLE]: JSON.stringify(Object.fromEntries(given.map((argument) => [argument, names[argument]]))) };
}
