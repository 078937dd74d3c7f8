import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { goModule } from "./go-module.js";
import type { ApiCall, GrafanaUnderTest } from "./grafana-under-test.js";

const MODULE = "github.com/grafana/grafana-openapi-client-go";
/** Answered before a route is reached, wherever credentials or rights are missing; most routes do not list them. */
const BEFORE_THE_ROUTE = [401, 403];

interface Field {
  readonly type: string;
  readonly required: boolean;
  readonly enum?: readonly unknown[];
  readonly pattern?: RegExp;
}

/** A Go type of the client's models: a structure, or another name for a type. */
type Model = { readonly fields: ReadonlyMap<string, Field> } | { readonly alias: string };

interface Operation {
  readonly id: string;
  readonly method: string;
  readonly path: RegExp;
  /** Paths with fewer variables win: `/folders/id/{id}` over `/folders/{uid}/counts`. */
  readonly variables: number;
  readonly body: string | undefined;
  /** Type of the answer's body by status; undefined where it has none. */
  readonly answers: ReadonlyMap<number, string | undefined>;
}

/**
 * Grafana's published OpenAPI description, as far as it can be had from a package registry: the Go client that is generated from it (and that
 * the genuine provider uses) has every operation with its path, body, statuses and answers, and every model with its fields, in generated
 * code of one form.
 */
export class GrafanaDescription {
  private constructor(
    private readonly operations: readonly Operation[],
    private readonly models: ReadonlyMap<string, Model>,
  ) {}

  static async load(): Promise<GrafanaDescription> {
    const dir = await goModule(MODULE);
    const models = new Map<string, Model>();
    for (const file of goFiles(join(dir, "models"))) readModels(readFileSync(file, "utf8"), models);
    const operations: Operation[] = [];
    for (const entry of readdirSync(join(dir, "client"), { withFileTypes: true }))
      if (entry.isDirectory()) operations.push(...readOperations(join(dir, "client", entry.name)));
    return new GrafanaDescription(
      operations.sort((left, right) => left.variables - right.variables),
      models,
    );
  }

  get size(): { operations: number; models: number } {
    return { operations: this.operations.length, models: this.models.size };
  }

  /**
   * What a request or its answer has that the description has not.
   *
   * @param strict also a field that the description does not know is one; for servers that may not say more than they should
   */
  problems(call: ApiCall, strict: boolean): string[] {
    const operation = this.find(call.method, call.path);
    const name = `${call.method} ${call.path}`;
    if (operation === undefined) return [`${name}: there is no such operation`];
    const where = `${operation.id} (${name})`;
    const inRequest =
      operation.body === undefined || call.request === undefined || call.status >= 400
        ? []
        : this.check(call.request, operation.body, `${where}: request`, true);
    if (!operation.answers.has(call.status)) {
      if (BEFORE_THE_ROUTE.includes(call.status)) return inRequest;
      return [...inRequest, `${where}: ${call.status} is none of ${[...operation.answers.keys()].join(", ")}`];
    }
    const type = operation.answers.get(call.status);
    // Errors have two forms, and the description knows the older one; pkg/util/errutil adds messageId, statusCode and traceID.
    const exact = strict && call.status < 400;
    const inAnswer = type === undefined ? [] : this.check(call.answer, type, `${where}: ${call.status}`, exact);
    return [...inRequest, ...inAnswer];
  }

  /** The operation of a request; undefined for what is not described, such as the data sources' proxies. */
  find(method: string, path: string): Operation | undefined {
    const bare = path.replace(/^\/api/, "").replace(/\?.*$/, "");
    return this.operations.find((operation) => operation.method === method && operation.path.test(bare));
  }

  private check(value: unknown, type: string, at: string, strict: boolean): string[] {
    // An answer may always leave out or nullify what is not required; Go's client reads both as the zero value.
    if (value === null || value === undefined) return [];
    if (type.startsWith("*")) return this.check(value, type.slice(1), at, strict);
    const wrong = [`${at} is ${JSON.stringify(value).slice(0, 60)}, not ${type}`];
    if (type.startsWith("[]")) {
      if (!Array.isArray(value)) return wrong;
      return value.flatMap((element, index) => this.check(element, type.slice(2), `${at}[${index}]`, strict));
    }
    const map = /^map\[string\](.*)$/.exec(type)?.[1];
    if (map !== undefined) {
      if (!isObject(value)) return wrong;
      return Object.entries(value).flatMap(([key, element]) => this.check(element, map, `${at}.${key}`, strict));
    }
    if (type === "interface{}") return [];
    if (type === "bool") return typeof value === "boolean" ? [] : wrong;
    if (/^u?int\d*$/.test(type)) return Number.isInteger(value) ? [] : wrong;
    if (/^float\d+$/.test(type)) return typeof value === "number" ? [] : wrong;
    if (type === "string" || type === "strfmt.Duration") return typeof value === "string" ? [] : wrong;
    if (type === "strfmt.DateTime") return typeof value === "string" && !Number.isNaN(Date.parse(value)) ? [] : wrong;
    const model = this.models.get(type.replace(/^models\./, ""));
    if (model === undefined) throw new Error(`The description has no type ${type}.`);
    return "alias" in model
      ? this.check(value, model.alias, at, strict)
      : isObject(value)
        ? this.checkFields(value, model.fields, at, strict)
        : wrong;
  }

  private checkFields(
    value: Record<string, unknown>,
    fields: ReadonlyMap<string, Field>,
    at: string,
    strict: boolean,
  ): string[] {
    const missing = [...fields]
      .filter(([key, { required }]) => required && !(key in value))
      .map(([key]) => `${at} has no ${key}`);
    const inside = Object.entries(value).flatMap(([key, element]) => {
      const field = fields.get(key);
      if (field === undefined) return strict ? [`${at} has ${key}, which the description does not know`] : [];
      const text = `${at}.${key} is ${JSON.stringify(element)}`;
      if (field.enum !== undefined && element !== "" && !field.enum.includes(element))
        return [`${text}, none of ${field.enum.join(", ")}`];
      if (field.pattern !== undefined && typeof element === "string" && element !== "" && !field.pattern.test(element))
        return [`${text}, which does not match ${field.pattern.source}`];
      return this.check(element, field.type, `${at}.${key}`, strict);
    });
    return [...missing, ...inside];
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function goFiles(dir: string): string[] {
  return readdirSync(dir)
    .filter((name) => name.endsWith(".go"))
    .map((name) => join(dir, name));
}

/** The types in one file of models. Types inside are named as in Go, without their package. */
function readModels(source: string, models: Map<string, Model>): void {
  for (const [, name = "", alias = ""] of source.matchAll(/^type (\w+) (?!struct)(\S.*)$/gm))
    models.set(name, { alias });
  for (const [, name = "", body = ""] of source.matchAll(/^type (\w+) struct \{\n(.*?)^\}/gms))
    models.set(name, { fields: readFields(body) });
}

function readFields(body: string): Map<string, Field> {
  const fields = new Map<string, Field>();
  let comment = "";
  for (const line of body.split("\n")) {
    const found = /^\t\w+ (\S+) `json:"(\w[^",]*)/.exec(line);
    if (found === null) {
      comment = line.trim() === "" ? "" : `${comment}${line}\n`;
      continue;
    }
    const [, type = "", key = ""] = found;
    const choices = /^\s*\/\/ Enum: \[?(.*?)\]?$/m.exec(comment)?.[1];
    const pattern = /^\s*\/\/ Pattern: (.*)$/m.exec(comment)?.[1];
    fields.set(key, {
      type,
      required: comment.includes("// Required: true"),
      ...(choices === undefined ? {} : { enum: choices.replaceAll('"', "").split(/[ ,]+/) }),
      ...(pattern === undefined ? {} : { pattern: new RegExp(pattern) }),
    });
    comment = "";
  }
  return fields;
}

/** The operations of one directory of the client: a file with all calls, and of each operation its parameters and answers. */
function readOperations(dir: string): Operation[] {
  const sources = goFiles(dir).map((file) => readFileSync(file, "utf8"));
  const whole = sources.join("\n");
  const operations: Operation[] = [];
  const call = /ID:\s+"(\w+)",\n\s+Method:\s+"(\w+)",\n\s+PathPattern:\s+"([^"]+)",.*?Reader:\s+&(\w+)Reader\{/gs;
  for (const [, id = "", method = "", pattern = "", name = ""] of whole.matchAll(call)) {
    const body = new RegExp(`^type ${name}Params struct \\{(.*?)^\\}`, "ms").exec(whole)?.[1] ?? "";
    operations.push({
      id,
      method,
      path: new RegExp(`^${pattern.replace(/\{\w+\}/g, "[^/]+")}/?$`),
      variables: pattern.split("{").length - 1,
      body: /^\tBody (\S+)$/m.exec(body)?.[1],
      answers: readAnswers(whole, name),
    });
  }
  return operations;
}

function readAnswers(source: string, name: string): Map<number, string | undefined> {
  const reader = new RegExp(`^func \\(o \\*${name}Reader\\) ReadResponse.*?^\\}`, "ms").exec(source)?.[0] ?? "";
  const answers = new Map<number, string | undefined>();
  for (const [, status = "", type = ""] of reader.matchAll(/case (\d+):\n\s+result := New(\w+)\(\)/g)) {
    const body = new RegExp(`^type ${type} struct \\{(.*?)^\\}`, "ms").exec(source)?.[1] ?? "";
    answers.set(Number(status), /^\tPayload (\S+)$/m.exec(body)?.[1]);
  }
  return answers;
}

/**
 * Where Grafana itself answers otherwise than its description says: its documentation of the HTTP API (docs) or its source. Beginnings of what
 * problems() says.
 */
const EXCEPTIONS: readonly RegExp[] = [
  // docs, folder: 412 where the version is not the stored one.
  /^updateFolder \(.*\): 412 is none of /,
  // docs, dashboard: the answer has the slug, and no title, which the description requires.
  /^postDashboard \(.*\): 200 has (no title|slug,)/,
  // pkg/api/annotations.go: "Annotation not found".
  /^getAnnotationByID \(.*\): 404 is none of /,
  // pkg/api/ds_query.go: results that failed are answered as results, with the worst status.
  /^queryMetricsWithExpressions \(.*\): 400 has (no message|results,)/,
  // pkg/services/accesscontrol/api/api.go: a route that is not described, and that looks like one that is.
  /^getResourcePermissions \(GET \/api\/access-control\/user\/permissions\): 200 is /,
  // Ours: it says that it is none.
  /^getHealth \(.*\): 200 has standIn,/,
];

/** Passed on to the data source, whose answers are its own. */
const PASSED_ON = /^\/api\/datasources\/(proxy\/|uid\/[^/]+\/resources\/)/;

/** Asserts that a server was asked something, and that nothing of it lies outside the description. */
export function assertDescribed({ calls, isStandIn }: GrafanaUnderTest, description: GrafanaDescription): void {
  const described = calls.filter(({ path }) => !PASSED_ON.test(path));
  assert.ok(described.length > 20, `only ${described.length} calls were seen`);
  // A real Grafana may be newer than the description; the stand-in may not say more than that.
  const problems = described.flatMap((call) => description.problems(call, isStandIn));
  assert.deepEqual(
    [...new Set(problems)].filter((text) => !EXCEPTIONS.some((known) => known.test(text))),
    [],
  );
}
