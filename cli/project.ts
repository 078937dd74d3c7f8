import { existsSync, readFileSync } from "node:fs";
import { dirname, isAbsolute, join } from "node:path";
import { parse } from "yaml";
import { CommandError, EXIT } from "./errors";

export type Env = Readonly<Record<string, string | undefined>>;

/** Where a stack's settings are. */
export interface Project {
  /** The directory of Pulumi.yaml. */
  readonly directory: string;
  readonly stack: string;
  /** The stack's file, which may not exist yet. */
  readonly file: string;
}

/** The stack if neither `--stack` nor PULUMI_STACK nor AUDIT_STACK names one, as in the pipeline. */
export const DEFAULT_STACK = "vm2";

/** @throws CommandError if this directory and those above it hold no project */
export function findProject(cwd: string, env: Env, named?: string): Project {
  const directory = upwards(cwd).find((each) => existsSync(join(each, "Pulumi.yaml")));
  if (directory === undefined) {
    throw new CommandError(
      `${cwd} and the directories above it have no Pulumi.yaml; change to a clone of the project first`,
      EXIT.usage,
    );
  }
  const stack = named ?? stackOf(env);
  if (!/^(?!\.+$)[A-Za-z0-9_.-]{1,100}$/.test(stack))
    throw new CommandError(
      `--stack ${stack} is no name of a stack; it has letters, digits, and . _ - alone`,
      EXIT.usage,
    );
  const given = fileOf(env, stack);
  const file = given ?? `Pulumi.${stack}.yaml`;
  return { directory, stack, file: isAbsolute(file) ? file : join(directory, file) };
}

export const stackOf = (env: Env): string => namedIn(env) || DEFAULT_STACK; // eslint-disable-line @typescript-eslint/prefer-nullish-coalescing -- empty counts as unset

const namedIn = ({ PULUMI_STACK, AUDIT_STACK }: Env): string | undefined => PULUMI_STACK || AUDIT_STACK; // eslint-disable-line @typescript-eslint/prefer-nullish-coalescing -- as above

/**
 * In a shell with `make env` the stack's file is elsewhere; another stack's file is where it always is. A file without
 * the stack's name beside it may be any stack's.
 */
const fileOf = ({ PULUMI_OPTION_CONFIG_FILE: file, ...env }: Env, stack: string): string | undefined =>
  file && stack === namedIn(env) ? file : undefined;

function upwards(directory: string): string[] {
  const above = dirname(directory);
  return above === directory ? [directory] : [directory, ...upwards(above)];
}

export interface SettingsInFile {
  /** As the engine would give them, without what is encrypted. */
  readonly texts: Record<string, string>;
  /** Keys whose values only the CLI can read. */
  readonly encrypted: readonly string[];
}

/**
 * The settings in the stack's file, read without the CLI, which needs a login to the state.
 *
 * @throws CommandError if there is no such file, or it is not YAML
 */
export function settingsInFile({ file, stack }: Project): SettingsInFile {
  if (!existsSync(file))
    throw new CommandError(
      `${file} does not exist; \`audit init --stack ${stack}\` writes it, or name another stack with --stack`,
    );
  try {
    return settingsInText(readFileSync(file, "utf8"));
  } catch (error) {
    throw new CommandError(`${file} cannot be read: ${(error as Error).message.split("\n")[0] ?? ""}`);
  }
}

/** The same of the file's text. @throws Error if it is not YAML */
export function settingsInText(text: string): SettingsInFile {
  const { config } = (parse(text) ?? {}) as { config?: unknown };
  const all = Object.entries((config ?? {}) as Record<string, unknown>);
  const encrypted = all.filter(([, value]) => isEncrypted(value)).map(([key]) => key);
  const texts = all
    .filter(([key, value]) => !encrypted.includes(key) && value !== null)
    .map(([key, value]) => [key, typeof value === "string" ? value : JSON.stringify(value)] as const);
  return { texts: Object.fromEntries(texts), encrypted };
}

const isEncrypted = (value: unknown): boolean =>
  typeof value === "object" && value !== null && "secure" in value && Object.keys(value).length === 1;
