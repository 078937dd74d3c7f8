import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { problemOfPem } from "./database-tls.js";
import { UserError } from "./errors.js";
import { type LogConfig, LogSchema, problemOfLog } from "./log/config.js";
import { unseenIn } from "./text.js";

const Name = Type.String({ minLength: 1, maxLength: 63, description: "A PostgreSQL name" });

const Database = Type.Object(
  {
    host: Type.String({ minLength: 1, maxLength: 255, description: "Name or address of the PostgreSQL server" }),
    port: Type.Optional(Type.Integer({ minimum: 1, maximum: 65535, default: 5432 })),
    name: Name,
    user: Name,
    password: Type.String({ maxLength: 1024 }),
    sslmode: Type.Optional(
      Type.Enum(["disable", "require", "verify-full"], {
        default: "disable",
        description:
          "require encrypts without checking who answers; verify-full checks the server's certificate and its name",
      }),
    ),
    caCertificate: Type.Optional(
      Type.String({
        maxLength: 524_288,
        description:
          "Authorities that verify-full trusts, as PEM text with one or more certificates; without: the system's store",
      }),
    ),
  },
  { additionalProperties: false },
);

const Token = Type.Object(
  {
    name: Type.String({ minLength: 1, maxLength: 100, description: "Who holds it, for logs and recorded reads" }),
    sha256: Type.String({ pattern: "^[0-9a-fA-F]{64}$", description: "sha256 of the token's bytes, in hex" }),
    role: Type.Enum(["writer", "reader"]),
    application: Type.Optional(
      Type.String({ minLength: 1, maxLength: 100, description: "The one application it is for; without: any" }),
    ),
  },
  { additionalProperties: false },
);

const limit = (standard: number, minimum: number, maximum: number, description: string) =>
  Type.Optional(Type.Integer({ default: standard, minimum, maximum, description }));

const Limits = Type.Object(
  {
    bodyBytes: limit(1_048_576, 1024, 67_108_864, "Bytes of one request's body"),
    batchEvents: limit(1000, 1, 10_000, "Events in one request"),
    dataBytes: limit(16_384, 2, 1_048_576, "Bytes of one event's data as JSON"),
    clockSkewSeconds: limit(300, 0, 86_400, "How far occurredAt may lie in the future"),
    queueEvents: limit(10_000, 1, 1_000_000, "Events that wait to be stored; beyond it requests get 503"),
    queueBytes: limit(4_194_304, 1024, 1_073_741_824, "Bytes of bodies that wait to be stored"),
    groupEvents: limit(1000, 1, 10_000, "Events stored by one statement"),
    writers: limit(2, 1, 32, "Connections that store"),
    readers: limit(4, 1, 64, "Connections that read"),
    exports: limit(8, 1, 1000, "Exports at once; beyond it requests get 503"),
    storeSeconds: limit(5, 1, 60, "How long an event may wait for the database before its request gets 503"),
    applications: limit(50, 1, 1000, "Applications that get a label of their own in the metrics"),
  },
  { additionalProperties: false },
);

/** The configuration file's schema: exactly the data of the Vault secret. */
export const ConfigSchema = Type.Object(
  {
    database: Database,
    tokens: Type.Optional(Type.Array(Token, { maxItems: 1000, default: [] })),
    limits: Type.Optional(Limits),
    recordReads: Type.Optional(
      Type.Boolean({
        default: false,
        description: "Store an event of the application audit-svc for each list, export and refused request",
      }),
    ),
    log: Type.Optional(LogSchema),
    runtimeRole: Type.Optional(
      Type.String({ ...Name, description: "For migrate: the group role that may select and store" }),
    ),
    ownerRole: Type.Optional(
      Type.String({ ...Name, description: "For migrate: role to become first, so that it owns the tables" }),
    ),
    retentionDays: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 36_500,
        description: "For migrate: months older than this are dropped; without: nothing is",
      }),
    ),
  },
  { additionalProperties: false },
);

type DatabaseSettings = Static<typeof Database>;
export type DatabaseConfig = Required<Omit<DatabaseSettings, "caCertificate">> &
  Pick<DatabaseSettings, "caCertificate">;
export type TokenConfig = Static<typeof Token>;
export type LimitsConfig = Required<Static<typeof Limits>>;

/** A validated configuration with every default filled in. */
export interface Config {
  readonly database: DatabaseConfig;
  readonly tokens: readonly TokenConfig[];
  readonly limits: LimitsConfig;
  readonly recordReads?: boolean;
  /** Without it no event gets a place in the log. */
  readonly log?: LogConfig;
  readonly runtimeRole?: string;
  readonly ownerRole?: string;
  readonly retentionDays?: number;
  /** sha256 of the file's bytes, in hex. */
  readonly digest: string;
}

const compiled = Compile(ConfigSchema);

/** Every limit's default. */
export const defaultLimits = Object.fromEntries(
  Object.entries(Limits.properties).map(([key, schema]) => [key, (schema as { default?: number }).default]),
) as LimitsConfig;

/** sha256 of the bytes, in hex: the `digest` of a configuration everywhere. */
export function digestOf(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/**
 * Parses and validates the configuration file's bytes.
 * @throws {UserError} naming each setting that is wrong. The message repeats no value, because the file contains a
 * password.
 */
export function parseConfig(bytes: Buffer): Config {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // The parser's own message quotes the text around the error, which may be the password.
    throw new UserError("configuration: the file is not valid JSON in UTF-8.");
  }
  if (!compiled.Check(value)) throw new UserError(`configuration: ${explain(value)}.`);
  const parsed = value;
  const { caCertificate } = parsed.database;
  const problem = caCertificate === undefined ? undefined : problemOfPem(caCertificate);
  if (problem !== undefined) throw new UserError(`configuration: database.caCertificate: ${problem}.`);
  const problemOfTheLog = parsed.log === undefined ? undefined : problemOfLog(parsed.log);
  if (problemOfTheLog !== undefined) throw new UserError(`configuration: ${problemOfTheLog}.`);
  const seen = new Set<string>();
  for (const [index, token] of (parsed.tokens ?? []).entries()) {
    const unseen = unseenIn(token.name);
    if (unseen !== undefined) throw new UserError(`configuration: tokens.${index}.name: must not contain ${unseen}.`);
    const hash = token.sha256.toLowerCase();
    if (seen.has(hash))
      throw new UserError(`configuration: tokens: "${token.name}" has the same sha256 as another token.`);
    seen.add(hash);
  }
  return {
    ...parsed,
    database: { ...parsed.database, port: parsed.database.port ?? 5432, sslmode: parsed.database.sslmode ?? "disable" },
    tokens: parsed.tokens ?? [],
    limits: { ...defaultLimits, ...parsed.limits },
    digest: digestOf(bytes),
  };
}

/** Reads and validates a configuration file; `/dev/stdin` works too. */
export async function readConfig(path: string): Promise<Config> {
  let bytes: Buffer;
  try {
    // Read from the stream, because /dev/stdin cannot be reopened by path if it is a socket, as Node's own pipes are.
    bytes = path === "/dev/stdin" ? await buffer(process.stdin) : await readFile(path);
  } catch (error) {
    throw new UserError(
      `configuration: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}.`,
    );
  }
  return parseConfig(bytes);
}

function explain(value: unknown): string {
  const messages = new Set<string>();
  for (const error of compiled.Errors(value)) {
    // The same error is also reported with the keyword "boolean", which has the path of the key itself.
    if (error.keyword === "additionalProperties") continue;
    const path = error.instancePath.slice(1).replaceAll("/", ".") || "the file";
    messages.add(error.keyword === "boolean" ? `${path}: there is no such setting` : `${path}: ${error.message}`);
  }
  return [...messages].slice(0, 10).join("; ");
}
