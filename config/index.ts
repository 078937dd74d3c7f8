import { runtime } from "@pulumi/pulumi";
import { z } from "zod";
import { DATABASE_MOUNT } from "../vault-agent/rights";
import { database, databaseContradictions } from "./database";
import { edge, edgeContradictions } from "./edge";
import { ConfigError, NAMESPACE } from "./errors";
import { host } from "./host";
import { loginProblems } from "./logins";
import { monitoring, monitoringContradictions } from "./monitoring";
import { service, serviceContradictions } from "./service";
import { trust } from "./trust";
import { vault } from "./vault";

export { certificateSource } from "./edge";
export { ConfigError, NAMESPACE } from "./errors";
export { inVault } from "./in-vault";
export { peersOf } from "./peers";
export { registryLogin } from "./service";
export { serversOf } from "./trust";

/**
 * One entry a key of the stack's configuration, grouped by subject in the files beside this one; descriptions and defaults
 * are in Pulumi.yaml, which the CLI checks as well.
 */
const schema = z.strictObject({ ...host, ...trust, ...service, ...database, ...vault, ...edge, ...monitoring });

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
  return [
    ...edgeContradictions(settings),
    ...monitoringContradictions(settings),
    ...serviceContradictions(settings),
    ...databaseContradictions(settings),
    ...sharedMounts(settings),
    ...longUid(settings),
  ];
}

/** The data source that is made has the environment in its uid, of which Grafana takes 40 letters. */
function longUid({ environment, grafanaPrometheusUrl }: Settings): string[] {
  if (grafanaPrometheusUrl === undefined || environment.length <= 23) return [];
  return [`${NAMESPACE}:environment must have at most 23 letters with ${NAMESPACE}:grafanaPrometheusUrl`];
}

/** Two secrets engines of Vault cannot be at one path. */
function sharedMounts({ vaultMount, tls, tlsPkiMount, databaseCredentials }: Settings): string[] {
  const taken = [
    ...(tls === "vault" ? [[tlsPkiMount, `${NAMESPACE}:tlsPkiMount`]] : []),
    ...(databaseCredentials === "dynamic"
      ? [[DATABASE_MOUNT, `the database engine of ${NAMESPACE}:databaseCredentials`]]
      : []),
  ];
  return taken
    .filter(([path]) => path === vaultMount)
    .map(([, what]) => `${NAMESPACE}:vaultMount must differ from ${what ?? ""} (${vaultMount})`);
}

/** Variables of the environment that give a setting where the stack does not. */
const VARIABLES = { registryPassword: "AUDIT_REGISTRY_PASSWORD", vaultNamespace: "VAULT_NAMESPACE" } as const;

/**
 * The configuration of the stack that is being deployed; what it leaves out may come from {@link VARIABLES}.
 *
 * @throws ConfigError, see {@link parseSettings}
 */
export function settingsOfStack(env: NodeJS.ProcessEnv = process.env): Settings {
  const logins = loginProblems(env);
  if (logins.length > 0) throw new ConfigError(logins);
  const values = { ...runtime.allConfig() };
  for (const [name, variable] of Object.entries(VARIABLES)) {
    const key = `${NAMESPACE}:${name}`;
    const given = env[variable]?.trim();
    // The CLI hands over Pulumi.yaml's defaults as if they were set.
    if (given !== undefined && !values[key]) values[key] = given;
  }
  return parseSettings(values);
}
