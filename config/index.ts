import { runtime } from "@pulumi/pulumi";
import { nameArguments } from "../lib/argument-names";
import { argumentsOf } from "./arguments";
import { ConfigError } from "./errors";
import { KEYS } from "./keys";
import { loginProblems } from "./logins";
import { parseValues, withEnvironment } from "./parse";

export { ConfigError, NAMESPACE } from "./errors";
export type { Values } from "./groups";

/** A stack's configuration, validated, in the shape of the components' arguments. */
export type Settings = ReturnType<typeof argumentsOf>;

/** The same of a stack that runs on a cluster. */
export type ClusterSettings = Extract<Settings, { platform: "kubernetes" }>;

/** {@link parseValues}, in the shape of the components' arguments. @throws ConfigError, see there */
export function parseSettings(values: Readonly<Record<string, string>>): Settings {
  return argumentsOf(parseValues(values));
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
