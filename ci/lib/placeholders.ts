import { createHash } from "node:crypto";
import { canonicalJson, type Json, type JsonObject } from "../../lib/canonical-json";

/** A value of the state; secrets are objects with the signature of Pulumi's own. */
export type Value = Json;

export interface Resource {
  readonly urn: string;
  readonly type: string;
  inputs?: Record<string, Value>;
  outputs?: Record<string, Value>;
}

/** What `pulumi stack export` prints and `pulumi stack import` takes. */
export interface State {
  readonly version: number;
  readonly deployment: { resources?: Resource[]; secrets_providers?: Value; [key: string]: unknown };
}

/** What `pulumi preview --save-plan` writes, as far as it is read here. */
export interface Plan {
  readonly resourcePlans?: Readonly<
    Record<string, { steps?: string[]; goal?: { inputDiff?: { adds?: Inputs; updates?: Inputs; deletes?: string[] } } }>
  >;
}
type Inputs = Record<string, Value>;

/** Marks of the engine's: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#pkg-constants */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/**
 * The state with a placeholder for every text and number within its secrets. Types and the shape of JSON within texts stay, because
 * plugins read them; equal values get equal placeholders, so that what was handed from one resource to another still fits.
 *
 * @param state as `pulumi stack export --show-secrets` prints it
 */
export function withoutSecrets(state: State): State {
  const known = new Map<string, string>();
  const hide = (value: Value, path: string): Value => {
    if (typeof value === "string") return hideText(value, path);
    if (typeof value === "number") return 0;
    if (Array.isArray(value)) return value.map((item, at) => hide(item, `${path}[${at}]`));
    if (value === null || typeof value === "boolean") return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, hide(item, `${path}.${key}`)]));
  };
  const hideText = (text: string, path: string): string => {
    const inner = structured(text);
    if (inner !== undefined) return JSON.stringify(hide(inner, path));
    if (text === "") return text;
    const placeholder =
      known.get(text) ?? `placeholder-${createHash("sha256").update(path).digest("hex").slice(0, 12)}`;
    known.set(text, placeholder);
    return placeholder;
  };
  const walk = (value: Value, path: string): Value => {
    if (Array.isArray(value)) return value.map((item, at) => walk(item, `${path}[${at}]`));
    if (value === null || typeof value !== "object") return value;
    if (isSecret(value)) return secret(hide(JSON.parse(plaintextOf(value)) as Value, path));
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, walk(item, `${path}.${key}`)]));
  };
  const resources = (state.deployment.resources ?? []).map(
    (resource) => walk(resource as unknown as Value, resource.urn) as unknown as Resource,
  );
  // What else a deployment has (an operation that was cut off, snippets of other states) no preview needs.
  return { version: state.version, deployment: { manifest: state.deployment.manifest, resources } };
}

const secret = (value: Value): Value => ({ [SIGNATURE]: SECRET, plaintext: JSON.stringify(value) });

/** An object or a list that a text holds as JSON. */
function structured(text: string): Value | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

/**
 * The state as the program wants it that has just been deployed: whatever it makes of the placeholders (hashes, files, whole
 * configurations) differs from what it made of the secrets, and is taken over from a preview on the copy. That preview knew no
 * secret, so what comes from it is none.
 *
 * @returns undefined when there was nothing to take over
 */
export function adopted(state: State, plan: Plan): State | undefined {
  let changed = false;
  const resources = (state.deployment.resources ?? []).map((resource) => {
    const diff = plan.resourcePlans?.[resource.urn]?.goal?.inputDiff;
    if (resource.inputs === undefined || diff === undefined) return resource;
    const given = Object.entries({ ...diff.adds, ...diff.updates });
    // What a later step makes known comes with the next preview.
    const wanted = Object.fromEntries(given.filter(([, value]) => !JSON.stringify(value).includes(UNKNOWN)));
    const gone = new Set(diff.deletes ?? []);
    if (Object.keys(wanted).length + gone.size === 0) return resource;
    changed = true;
    const { outputs } = resource;
    return {
      ...resource,
      inputs: { ...Object.fromEntries(Object.entries(resource.inputs).filter(([key]) => !gone.has(key))), ...wanted },
      ...(outputs && {
        outputs: Object.fromEntries(
          Object.entries(outputs).map(([key, old]) =>
            key in wanted ? [key, inTheFormOf(old, resource.inputs?.[key], wanted[key] ?? null)] : [key, old],
          ),
        ),
      }),
    };
  });
  return changed ? { ...state, deployment: { ...state.deployment, resources } } : undefined;
}

/** An output repeats its input; where a plugin has put JSON into an order of its own (Vault's does), it is put into that again. */
function inTheFormOf(output: Value, input: Value | undefined, next: Value): Value {
  const [was, given, wanted] = [output, input ?? null, next].map(jsonOf);
  if (was === undefined || given === undefined || wanted === undefined || was === given) return next;
  if (was !== ordered(given)) return next;
  return typeof next === "string" ? ordered(wanted) : secret(ordered(wanted));
}

/** A text, secret or not, that holds JSON. */
function jsonOf(value: Value): string | undefined {
  const text = isSecret(value) ? (JSON.parse(plaintextOf(value)) as Value) : value;
  return typeof text === "string" && structured(text) !== undefined ? text : undefined;
}

const isSecret = (value: Value): boolean =>
  value !== null && typeof value === "object" && !Array.isArray(value) && value[SIGNATURE] === SECRET;

function plaintextOf(value: Value): string {
  const { plaintext } = value as JsonObject;
  if (typeof plaintext === "string") return plaintext;
  throw new Error("the state was exported without its secrets in plain text");
}

const ordered = (text: string): string => canonicalJson(JSON.parse(text) as Value);

/** The state as if the program had always been this user in PostgreSQL: otherwise that is a change of its provider. */
export function asDatabaseUser(state: State, user: string): State {
  const named = (values: Inputs | undefined) => values && { ...values, username: user };
  const resources = (state.deployment.resources ?? []).map((resource) =>
    resource.type === "pulumi:providers:postgresql"
      ? { ...resource, inputs: named(resource.inputs), outputs: named(resource.outputs) }
      : resource,
  );
  return { ...state, deployment: { ...state.deployment, resources } };
}

/** What a preview would change, as `name: steps`; empty when nothing. */
export function changesOf(plan: Plan): string[] {
  return Object.entries(plan.resourcePlans ?? {})
    .filter(([, { steps = [] }]) => steps.some((step) => !/^(same|read|refresh)$/.test(step)))
    .map(([urn, { steps = [] }]) => `${urn.split("::").at(-1) ?? urn} (${steps.join(", ")})`);
}

/** An output of the stack; undefined before the first deploy. */
export function outputOf(state: State, name: string): Value | undefined {
  return state.deployment.resources?.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs?.[name];
}
