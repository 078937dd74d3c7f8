import type { z } from "zod";
import { DATABASE_MOUNT } from "../lib/vault/rights";
import { databaseContradictions } from "./database";
import { edgeContradictions } from "./edge";
import { ConfigError, NAMESPACE } from "./errors";
import { schema, type Values } from "./groups";
import { monitoringContradictions } from "./monitoring";
import { platformContradictions } from "./platform";
import { serviceContradictions } from "./service";

/**
 * Checks the whole configuration at once.
 *
 * @param values configuration as the engine gives it: full key (`audit:replicas`) to text; lists are JSON
 * @returns each setting by its key
 * @throws ConfigError naming every mistake: the key, what is wrong, how to fix it
 */
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
  const mounts: (readonly [path: string, what: string])[] = [
    [vaultMount, `${NAMESPACE}:vaultMount`],
    ...(values.log === "vault" ? [[values.logTransitMount, `${NAMESPACE}:logTransitMount`] as const] : []),
    ...(tls === "vault" ? [[tlsPkiMount, `${NAMESPACE}:tlsPkiMount`] as const] : []),
    ...(databaseCredentials === "dynamic"
      ? [[DATABASE_MOUNT, `the database engine of ${NAMESPACE}:databaseCredentials`] as const]
      : []),
  ];
  return mounts.flatMap(([path, what], index) =>
    mounts
      .slice(index + 1)
      .filter(([other]) => other === path)
      .map(([, other]) => `${what} must differ from ${other} (${path})`),
  );
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
