import { runtime } from "@pulumi/pulumi";
import type { z } from "zod";
import { nameArguments } from "../lib/argument-names";
import { DATABASE_MOUNT } from "../lib/vault/rights";
import { argumentsOf } from "./arguments";
import { databaseContradictions } from "./database";
import { edgeContradictions } from "./edge";
import { ConfigError, NAMESPACE } from "./errors";
import { schema, type Values } from "./groups";
import { KEYS } from "./keys";
import { loginProblems } from "./logins";
import { monitoringContradictions } from "./monitoring";
import { platformContradictions } from "./platform";
import { serviceContradictions } from "./service";

export { ConfigError, NAMESPACE } from "./errors";
export type { Values } from "./groups";

/** A stack's configuration, validated, in the shape of the components' arguments. */
export type Settings = ReturnType<typeof argumentsOf>;

/** The same of a stack that runs on a cluster. */
export type ClusterSettings = Extract<Settings, { platform: "kubernetes" }>;

/**
 * Reads and checks the whole configuration at once, before any resource is created.
 *
 * @param values configuration as the engine gives it: full key (`audit:replicas`) to text; lists are JSON
 * @throws ConfigError naming every mistake: the key, what is wrong, how to fix it
 */
export function parseSettings(values: Readonly<Record<string, string>>): Settings {
  return argumentsOf(parseValues(values));
}

/** The same, each setting by its key. @throws ConfigError, see {@link parseSettings} */
export function parseValues(values: Readonly<Record<string, string>>): Values {
  const own = Object.fromEntries(
    Object.entries(values)
      .filter(([key]) => key.startsWith(`${NAMESPACE}:`))
      .map(([key, value]) => [key.slice(NAMESPACE.length + 1), value]),
  );
  const result = schema.safeParse(own);
  const problems = result.success ? contradictions(result.data) : result.error.issues.flatMap(describeIssue);
  if (!result.success || problems.length > 0) throw new ConfigError(problems);
  return result.data;
}

function describeIssue(issue: z.core.$ZodIssue): string[] {
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => {
      const near = Object.keys(schema.shape).find((known) => known.toLowerCase() === key.toLowerCase());
      const cure =
        near === undefined ? "remove it, or see docs/settings.md for the keys" : `did you mean ${NAMESPACE}:${near}?`;
      return `${NAMESPACE}:${key} is not a setting of this program; ${cure}`;
    });
  }
  const [key, ...rest] = issue.path;
  const where = rest.length === 0 ? "" : `[${rest.join("][")}]`;
  if (issue.code === "invalid_union") {
    const inner = issue.errors.flat().find((e) => e.code !== "invalid_value") ?? issue.errors.flat()[0];
    return [`${NAMESPACE}:${String(key)}${where} ${inner?.message ?? "is not valid"}`];
  }
  // Of an item of a list or an object; what is said of a setting itself is in its schema.
  if (issue.code === "invalid_type" && rest.length > 0)
    return [`${NAMESPACE}:${String(key)}${where} must be a ${issue.expected}`];
  return [`${NAMESPACE}:${String(key)}${where} ${issue.message}`];
}

function contradictions(settings: Values): string[] {
  return [
    ...platformContradictions(settings),
    ...edgeContradictions(settings),
    ...monitoringContradictions(settings),
    ...serviceContradictions(settings),
    ...databaseContradictions(settings),
    ...sharedMounts(settings),
    ...longUid(settings),
  ];
}

/** The data source that the program creates has the environment in its uid, which Grafana limits to 40 characters. */
function longUid({ environment, grafanaPrometheusUrl }: Values): string[] {
  if (grafanaPrometheusUrl === undefined || environment.length <= 23) return [];
  return [`${NAMESPACE}:environment must have at most 23 letters with ${NAMESPACE}:grafanaPrometheusUrl`];
}

/** Two secrets engines cannot be mounted at the same path in Vault. */
function sharedMounts({ vaultMount, tls, tlsPkiMount, databaseCredentials, ...values }: Values): string[] {
  const taken = [
    ...(values.log === "vault" ? [[values.logTransitMount, `${NAMESPACE}:logTransitMount`]] : []),
    ...(tls === "vault" ? [[tlsPkiMount, `${NAMESPACE}:tlsPkiMount`]] : []),
    ...(databaseCredentials === "dynamic"
      ? [[DATABASE_MOUNT, `the database engine of ${NAMESPACE}:databaseCredentials`]]
      : []),
  ];
  return taken
    .filter(([path]) => path === vaultMount)
    .map(([, what]) => `${NAMESPACE}:vaultMount must differ from ${what ?? ""} (${vaultMount})`);
}

/**
 * The configuration of the stack that is being deployed, see {@link withEnvironment}. From then on, components' messages
 * name the settings instead of their arguments.
 *
 * @throws ConfigError, see {@link parseSettings}
 */
export function settingsOfStack(env: NodeJS.ProcessEnv = process.env): Settings {
  nameArguments(KEYS);
  const logins = loginProblems(env);
  if (logins.length > 0) throw new ConfigError(logins);
  return parseSettings(withEnvironment(runtime.allConfig(), env));
}

/** A setting with a `variable` in its `.meta()` comes from the environment if the stack leaves it out. */
export function withEnvironment(
  values: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const all = { ...values };
  for (const [name, setting] of Object.entries(schema.shape)) {
    const variable = setting.meta()?.variable;
    const given = typeof variable === "string" ? env[variable]?.trim() : undefined;
    const key = `${NAMESPACE}:${name}`;
    // The CLI passes Pulumi.yaml's defaults as if they were set.
    if (given !== undefined && !all[key]) all[key] = given;
  }
  return all;
}
