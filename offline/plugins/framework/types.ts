import type * as pulumi from "@pulumi/pulumi";
import type { Logger } from "./log.js";

/** The class of a resource in an official SDK, e.g. `typeof docker.Container`. Used for its types only. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any SDK class, whatever its constructor takes
export type ResourceClass = abstract new (...args: any[]) => pulumi.CustomResource;

/** The inputs of an SDK's resource as plain values: its args type with every `pulumi.Input` taken off. */
export type InputsOf<R extends ResourceClass> = pulumi.Unwrap<NonNullable<ConstructorParameters<R>[1]>>;

/** The outputs of an SDK's resource as plain values. All optional: what Create leaves out keeps its input's value. */
export type StateOf<R extends ResourceClass> = {
  -readonly [
    K in keyof InstanceType<R> as K extends "id" | "urn"
      ? never
      : InstanceType<R>[K] extends pulumi.OutputInstance<unknown>
        ? K
        : never
  ]?: (InstanceType<R>[K] extends pulumi.OutputInstance<infer T> ? T : never) | null;
};

type Element<V> = V extends readonly (infer E)[] ? E : V;

/** The fields inside an object, or inside each object of a list. */
export type FieldSpecs<T> = { readonly [K in keyof T]?: InputSpec<NonNullable<T[K]>> };

/**
 * How one input behaves. An empty object is a plain optional input that is changed in place.
 * The words follow Terraform's schema, which the genuine bridged plugins are made from.
 */
export interface InputSpec<V> {
  /** A change replaces the resource ("FN" in the facts about the providers). */
  readonly forceNew?: boolean;
  /** Optional and computed: when the program does not set it, whatever the state holds is no difference. */
  readonly computed?: boolean;
  /** Check fails when it is missing (and has no default). */
  readonly required?: boolean;
  /** Schema-sensitive: marked secret in inputs and outputs, whatever the program does. */
  readonly secret?: boolean;
  /**
   * Written by Check into the inputs and recorded in `__defaults`; a function may look at the environment. As in the
   * bridge, `false`, `0` and `""` are not written: they are in the state only.
   */
  readonly default?: V | (() => V | undefined);
  /** `<resource name>-<7 hex>` when not set; setting it by hand makes a replacement delete-before-replace. */
  readonly autoname?: boolean;
  /** A list whose order does not matter (Terraform's TypeSet). */
  readonly unordered?: boolean;
  /** Whether the value in the state and the one wanted mean the same; both are set. Default: deep equality. */
  readonly equal?: (state: V, input: V) => boolean;
  /** What the state holds for an input (Terraform's StateFunc), e.g. a canonical form of JSON. */
  readonly stateOf?: (input: V) => V;
  /** Refuses a value: returns the reason, or undefined when it is fine. Not called for unknown values. */
  readonly validate?: (value: V) => string | undefined;
  /** Names of other inputs that may not be set together with this one. */
  readonly conflictsWith?: readonly string[];
  /** The fields of an object or of each object in a list; others are refused by name. Left out: anything goes. */
  readonly fields?: FieldSpecs<Element<V>>;
}

export interface OutputSpec {
  /** Schema-sensitive: always marked secret. */
  readonly secret?: boolean;
  /** Becomes unknown in the preview of every update; otherwise the old value is shown. */
  readonly changesOnUpdate?: boolean;
}

/** What every operation is told beside its own arguments. */
export interface Call {
  readonly urn: string;
  /** The resource's name in the program. */
  readonly name: string;
  /** Shows lines in the engine's output, at this resource. */
  readonly log: Logger;
  /** Aborted when the engine cancels (Ctrl-C) or the process is told to end. */
  readonly signal: AbortSignal;
  /** The `customTimeouts` of the program for this operation in seconds; undefined when not given. */
  readonly timeoutSeconds: number | undefined;
}

export interface Diff {
  /** Top-level names of the inputs that differ from the state. */
  readonly changed: ReadonlySet<string>;
}

/**
 * One resource type of a stand-in plugin.
 *
 * The framework does what is common to the bridged providers (check, defaults, autonames, diff, preview, secrets,
 * reading inputs back); a resource only acts on the real thing. In all states that are handed back, a key left out
 * keeps the input's (create, update) or the old state's (read) value, `null` removes it.
 */
export interface ResourceSpec<R extends ResourceClass, Ctx> {
  /** e.g. `docker:index/container:Container` */
  readonly token: string;
  readonly inputs: { readonly [K in keyof InputsOf<R>]?: InputSpec<NonNullable<InputsOf<R>[K]>> };
  /** Properties that are no inputs; those not listed are plain. */
  readonly outputs?: Readonly<Partial<Record<Exclude<keyof StateOf<R>, keyof InputsOf<R>>, OutputSpec>>>;
  /** The provider asks for delete-before-replace whatever the name ("DBR" in the facts). */
  readonly deleteBeforeReplace?: boolean;
  /** A rule over several inputs; may hold unknown values (`isUnknown`). Yields the reason for each property. */
  check?(inputs: Partial<InputsOf<R>>): Iterable<{ property: string; reason: string }>;
  /**
   * A rule over the whole difference (Terraform's CustomizeDiff): names of further changed inputs, or whether some
   * of the changed ones force a replacement. Called after the comparison of each input.
   */
  customizeDiff?(
    state: StateOf<R>,
    inputs: Partial<InputsOf<R>>,
    diff: Diff,
  ): { changed?: readonly string[]; unchanged?: readonly string[]; replaces?: readonly string[] };
  /** What the provider fills in when it plans: shown in previews instead of unknown computed inputs. Never acts. */
  plan?(inputs: Partial<InputsOf<R>>): StateOf<R>;
  /** Throws `PartialFailure` when something is there already and must be kept in the state. The id is not empty. */
  create(ctx: Ctx, inputs: InputsOf<R>, call: Call): Promise<{ id: string; state: StateOf<R> }>;
  /**
   * Undefined: gone. After an import or `.get`, `state` is empty: only the id is known.
   * `inputs` are those the program last gave, without their secrets' marks.
   */
  read?(
    ctx: Ctx,
    id: string,
    state: StateOf<R>,
    inputs: Partial<InputsOf<R>>,
    call: Call,
  ): Promise<{ id: string; state: StateOf<R> } | undefined>;
  /**
   * Whatever is thrown keeps the *new* inputs in the state, with init errors, as Terraform's SDK does.
   * Left out: every input must be `forceNew`. `diff.changed` is empty for the update that retries init errors.
   */
  update?(
    ctx: Ctx,
    id: string,
    old: StateOf<R>,
    inputs: InputsOf<R>,
    diff: Diff,
    call: Call,
  ): Promise<{ id?: string; state: StateOf<R> }>;
  delete(ctx: Ctx, id: string, state: StateOf<R>, call: Call): Promise<void>;
}

/** A resource whose own types have been forgotten, as the server keeps it. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the one place where resources of all types meet
export type AnyResourceSpec<Ctx> = ResourceSpec<any, Ctx>;

/**
 * Describes a resource, typed by the SDK's class, so that an input or output that the SDK does not know is a compiler
 * error: `defineResource<typeof docker.Network, DockerContext>({ token: …, … })`.
 */
export function defineResource<R extends ResourceClass, Ctx>(spec: ResourceSpec<R, Ctx>): AnyResourceSpec<Ctx> {
  return spec;
}

/** A function (invoke), e.g. `docker:index/getNetwork:getNetwork`. */
export interface FunctionSpec<Ctx> {
  readonly token: string;
  invoke(ctx: Ctx, args: Record<string, unknown>): Promise<Record<string, unknown>>;
}

/** How a setting of the provider arrives: everything that is not a string comes as JSON inside a string. */
export type ConfigSpec<V> = {
  readonly secret?: boolean;
  readonly required?: boolean;
  /**
   * Variable from which CheckConfig takes the setting into the provider's inputs, and so into the state, when the program does not give it.
   * The bridge does that for plugins that are made with Terraform's plugin framework, and for no others.
   */
  readonly variable?: string;
  /** Used when the setting is not given: e.g. read from the environment, as the genuine plugin does. */
  readonly default?: V | (() => V | undefined);
} & ([V] extends [string] ? { readonly json?: false } : { readonly json: true });

/** The class of an SDK's Provider, e.g. `typeof docker.Provider`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- any SDK class, whatever its constructor takes
export type ProviderClass = abstract new (...args: any[]) => pulumi.ProviderResource;

export type ConfigOf<P extends ProviderClass> = pulumi.Unwrap<NonNullable<ConstructorParameters<P>[1]>>;

export interface ProviderSpec<P extends ProviderClass, Ctx> {
  /** The package, e.g. `docker`. */
  readonly name: string;
  readonly version: string;
  /** The settings this stand-in knows; others are refused by name. */
  readonly config: { readonly [K in keyof ConfigOf<P>]?: ConfigSpec<NonNullable<ConfigOf<P>[K]>> };
  /** Called once before the first operation; what it returns is handed to every operation. */
  configure(config: ConfigOf<P>): Ctx | Promise<Ctx>;
  readonly resources: readonly AnyResourceSpec<Ctx>[];
  readonly functions?: readonly FunctionSpec<Ctx>[];
  /** Ends what `configure` opened (connection pools), at SIGTERM. */
  close?(ctx: Ctx): Promise<void>;
}
