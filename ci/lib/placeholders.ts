import { createHash } from "node:crypto";
import { canonicalJson, type Json, type JsonObject } from "../../lib/canonical-json";

/** A value in the state; secrets are objects with Pulumi's signature. */
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

/** The parts of `pulumi preview --save-plan` that are used here. */
export interface Plan {
  readonly resourcePlans?: Readonly<
    Record<string, { steps?: string[]; goal?: { inputDiff?: { adds?: Inputs; updates?: Inputs; deletes?: string[] } } }>
  >;
}
type Inputs = Record<string, Value>;

/** The engine's markers: https://pkg.go.dev/github.com/pulumi/pulumi/sdk/v3/go/common/resource#pkg-constants */
const SIGNATURE = "4dabf18193072939515e22adb298388d";
const SECRET = "1b47061264138c4ac30d75fd1eb44270";
const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/**
 * The state with a placeholder for every text and number in its secrets. Types and the structure of JSON texts stay,
 * because plugins read them. Equal values get equal placeholders, so that values passed between resources still match.
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
  // A preview does not need the rest of a deployment (interrupted operations, snippets of other states).
  return { version: state.version, deployment: { manifest: state.deployment.manifest, resources } };
}

const secret = (value: Value): Value => ({ [SIGNATURE]: SECRET, plaintext: JSON.stringify(value) });

/** The object or list in a JSON text, if it is one. */
function structured(text: string): Value | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  try {
    return JSON.parse(text) as Value;
  } catch {
    return undefined;
  }
}

/**
 * The state with the values that the deployed program computes from the placeholders: hashes, files and whole
 * configurations differ from those computed from the secrets, and are adopted from a preview on the copy. That preview
 * knew no secret, so its values contain none.
 *
 * @returns undefined if there was nothing to adopt
 */
export function adopted(state: State, plan: Plan): State | undefined {
  let changed = false;
  const resources = (state.deployment.resources ?? []).map((resource) => {
    const diff = plan.resourcePlans?.[resource.urn]?.goal?.inputDiff;
    if (resource.inputs === undefined || diff === undefined) return resource;
    const given = Object.entries({ ...diff.adds, ...diff.updates });
    // Values that become known only in a later step come with the next preview.
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

/**
 * An output repeats its input. If a plugin has reordered JSON in it, as Vault's does, the new value gets the same
 * order.
 */
function inTheFormOf(output: Value, input: Value | undefined, next: Value): Value {
  const [was, given, wanted] = [output, input ?? null, next].map(jsonOf);
  if (was === undefined || given === undefined || wanted === undefined || was === given) return next;
  if (was !== ordered(given)) return next;
  return typeof next === "string" ? ordered(wanted) : secret(ordered(wanted));
}

/** The JSON text in a value, secret or not. */
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

/** The state as if the program had always used this PostgreSQL user; otherwise the provider would show a change. */
export function asDatabaseUser(state: State, user: string): State {
  const named = (values: Inputs | undefined) => values && { ...values, username: user };
  const resources = (state.deployment.resources ?? []).map((resource) =>
    resource.type === "pulumi:providers:postgresql"
      ? { ...resource, inputs: named(resource.inputs), outputs: named(resource.outputs) }
      : resource,
  );
  return { ...state, deployment: { ...state.deployment, resources } };
}

/** What a preview would change, as `name: steps`; empty if nothing. */
export function changesOf(plan: Plan): string[] {
  return Object.entries(plan.resourcePlans ?? {})
    .filter(([, { steps = [] }]) => steps.some((step) => !/^(same|read|refresh)$/.test(step)))
    .map(([urn, { steps = [] }]) => `${urn.split("::").at(-1) ?? urn} (${steps.join(", ")})`);
}

/** An output of the stack; undefined before the first deploy. */
export function outputOf(state: State, name: string): Value | undefined {
  return state.deployment.resources?.find(({ type }) => type === "pulumi:pulumi:Stack")?.outputs?.[name];
}
