import { checkInputs, notImplemented } from "./check.js";
import { changedNames, diffState, replacedNames, type DiffResult } from "./diff.js";
import { messageOf, PartialFailure } from "./errors.js";
import { inputsOfState, refreshInputs } from "./read.js";
import {
  defaultsKey,
  markSecrets,
  overlay,
  stateOfInputs,
  withoutDefaults,
  withUnknownComputed,
  type Specs,
} from "./schema.js";
import { goJson } from "./go-json.js";
import type { Handlers, Operation } from "./server.js";
import type { AnyResourceSpec, Call, OutputSpec, ProviderClass, ProviderSpec } from "./types.js";
import { hasSecret, hasUnknown, isObject, Secret, Unknown, withoutSecrets, type Properties } from "./values.js";

/** Names that the engine puts among a provider's settings. */
const engineSettings = new Set(["version", "pluginDownloadURL", "__internal", defaultsKey]);

interface Setting {
  readonly secret?: boolean;
  readonly required?: boolean;
  readonly json?: boolean;
  readonly variable?: string;
  readonly default?: unknown;
}

/** A provider that behaves like those made by the Terraform bridge; each call gives one that is not configured yet. */
export const defineProvider =
  <P extends ProviderClass, Ctx>(spec: ProviderSpec<P, Ctx>) =>
  (): Handlers =>
    bridged(spec);

/** The protocol's handlers for such a provider. */
export function bridged<P extends ProviderClass, Ctx>(spec: ProviderSpec<P, Ctx>): Handlers {
  const settings = spec.config as Readonly<Record<string, Setting | undefined>>;
  const resources = new Map(spec.resources.map((resource) => [resource.token, new BridgedResource(resource)]));
  let context: { value: Ctx } | undefined;

  const resourceOf = (op: Operation): BridgedResource<Ctx> => {
    const resource = resources.get(op.type);
    if (!resource) throw new Error(notImplemented(spec.name, `resource type ${op.type}`));
    return resource;
  };
  const configured = (): Ctx => {
    if (!context) throw new Error(`the ${spec.name} provider was called before it was configured`);
    return context.value;
  };

  return {
    name: spec.name,
    version: spec.version,
    flags: { acceptSecrets: false, acceptResources: false, acceptOutputs: false, autonaming: true },
    decode: { secrets: "strip" },
    cancelAborts: false,
    checkConfig(news) {
      const failures = Object.keys(news)
        .filter((key) => settings[key] === undefined && !engineSettings.has(key))
        .map((key) => ({ property: key, reason: notImplemented(`pulumi:providers:${spec.name}`, `input ${key}`) }));
      for (const [key, setting] of Object.entries(settings)) {
        if (setting?.required && news[key] === undefined && defaultOf(setting) === undefined) {
          failures.push({ property: key, reason: `Missing required property '${key}'` });
        }
      }
      const taken = Object.entries(settings).flatMap(([key, setting]) => {
        const value = setting?.variable === undefined ? undefined : process.env[setting.variable];
        return news[key] === undefined && value !== undefined && value !== "" ? [[key, value] as const] : [];
      });
      const inputs = Object.fromEntries(
        [...Object.entries(news), ...taken].map(([key, value]) => [key, checkedSetting(settings[key], value)]),
      );
      return { inputs, failures };
    },
    async configure(config) {
      const values: Properties = {};
      for (const [key, setting] of Object.entries(settings)) {
        if (setting === undefined) continue;
        const given = settingValue(spec.name, key, setting, config[key]);
        if (given !== undefined) values[key] = given;
      }
      context = { value: await spec.configure(values as Parameters<typeof spec.configure>[0]) };
    },
    check: (op, news, olds, seed, autonaming) =>
      resourceOf(op).check(news, olds, { token: op.type, resourceName: op.name, seed, autonaming }),
    diff: (op, { state, news, ignoreChanges }) => resourceOf(op).diff(state, news, ignoreChanges),
    create: async (op, inputs, preview) =>
      preview ? resourceOf(op).previewCreate(inputs) : resourceOf(op).create(configured(), inputs, op),
    read: async (op, id, state, inputs) => resourceOf(op).read(configured(), id, state, inputs, op),
    update: async (op, { id, state, news, ignoreChanges, preview }) => {
      const resource = resourceOf(op);
      const diff = resource.diff(state, news, ignoreChanges);
      if (preview) return resource.previewUpdate(state, news, diff);
      return resource.update(configured(), id, state, news, diff, op);
    },
    delete: async (op, id, state) => resourceOf(op).delete(configured(), id, state, op),
    async invoke(token, args) {
      const found = spec.functions?.find((candidate) => candidate.token === token);
      if (!found) throw new Error(notImplemented(spec.name, `function ${token}`));
      return found.invoke(configured(), args);
    },
    async close() {
      if (context && spec.close) await spec.close(context.value);
    },
  };
}

function defaultOf(setting: Setting): unknown {
  return typeof setting.default === "function" ? (setting.default as () => unknown)() : setting.default;
}

/** A setting goes back as it came, JSON in Go's spelling; one that is sensitive, or has a secret inside its JSON, is secret as a whole. */
function checkedSetting(setting: Setting | undefined, value: unknown): unknown {
  if (hasSecret(value)) return new Secret(respelt(setting, withoutSecrets(value)));
  const checked = respelt(setting, value);
  return setting?.secret && !hasUnknown(value) ? new Secret(checked) : checked;
}

/** JSON is taken apart and written anew by the bridge: its keys are sorted. */
function respelt(setting: Setting | undefined, value: unknown): unknown {
  if (!setting?.json || typeof value !== "string") return value;
  try {
    return goJson(JSON.parse(value));
  } catch {
    // Not JSON: Configure reports that.
    return value;
  }
}

function settingValue(provider: string, key: string, setting: Setting, given: unknown): unknown {
  if (given === undefined || given === null || given instanceof Unknown) return defaultOf(setting);
  if (!setting.json || typeof given !== "string") return given;
  if (given === "") return undefined;
  try {
    return withoutEncodedSecrets(JSON.parse(given));
  } catch (error) {
    throw new Error(`provider ${provider}: setting ${key} is not valid JSON: ${messageOf(error)}`, { cause: error });
  }
}

/** Secrets inside a JSON-encoded setting arrive with the protocol's marks around them. */
function withoutEncodedSecrets(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutEncodedSecrets);
  if (!isObject(value)) return value;
  if (value["4dabf18193072939515e22adb298388d"] !== undefined) return withoutEncodedSecrets(value.value);
  return Object.fromEntries(Object.entries(value).map(([key, element]) => [key, withoutEncodedSecrets(element)]));
}

/**
 * The id in the state comes before the one that the engine sends, as in the bridge: an update may have changed it (a
 * Vault mount that was moved), and the answer to Update has no place to tell the engine.
 */
function idOf(id: string, state: Properties): string {
  return typeof state.id === "string" && state.id !== "" ? state.id : id;
}

/** What is common to the resources of the bridged providers, around one `ResourceSpec`. */
class BridgedResource<Ctx> {
  readonly #spec: AnyResourceSpec<Ctx>;
  readonly #specs: Specs;
  readonly #outputs: Readonly<Record<string, OutputSpec | undefined>>;

  constructor(spec: AnyResourceSpec<Ctx>) {
    this.#spec = spec;
    this.#specs = spec.inputs;
    this.#outputs = spec.outputs ?? {};
  }

  check(news: Properties, olds: Properties | undefined, context: Parameters<typeof checkInputs>[3]) {
    const { inputs, failures } = checkInputs(this.#specs, news, olds, context);
    if (failures.length === 0) failures.push(...(this.#spec.check?.(withoutDefaults(inputs)) ?? []));
    return { inputs: markSecrets(this.#specs, inputs), failures };
  }

  diff(state: Properties, news: Properties, ignoreChanges: readonly string[]): DiffResult {
    return diffState(this.#specs, state, news, {
      ignoreChanges,
      deleteBeforeReplace: this.#spec.deleteBeforeReplace ?? false,
      customize: this.#spec.customizeDiff?.bind(this.#spec),
    });
  }

  previewCreate(inputs: Properties): { id: string; state: Properties } {
    const state = withUnknownComputed(this.#specs, stateOfInputs(this.#specs, inputs));
    for (const name of [...Object.keys(this.#outputs), "id"]) state[name] = Unknown.value;
    return { id: "", state: this.#marked(overlay(state, this.#plan(inputs))) };
  }

  async create(ctx: Ctx, inputs: Properties, op: Operation): Promise<{ id: string; state: Properties }> {
    const planned = stateOfInputs(this.#specs, inputs);
    try {
      const { id, state } = await this.#spec.create(ctx, withoutDefaults(inputs), call(op));
      if (id === "") throw new Error(`expected non-empty ID for new state during Create of ${op.urn}`);
      return { id, state: this.#marked({ ...overlay(planned, state as Properties), id }) };
    } catch (error) {
      throw this.#partial(error, planned, `creating ${op.urn}`);
    }
  }

  async read(ctx: Ctx, id: string, state: Properties, inputs: Properties, op: Operation) {
    if (!this.#spec.read) return { id, state: this.#marked(state), inputs };
    let found;
    try {
      found = await this.#spec.read(ctx, idOf(id, state), state, withoutDefaults(inputs), call(op));
    } catch (error) {
      throw new Error(`refreshing ${op.urn}: ${messageOf(error)}`, { cause: error });
    }
    if (found === undefined || found.id === "") return undefined;
    const isRefresh = Object.keys(state).length > 0;
    const live = { ...overlay(state, found.state as Properties), id: found.id };
    const liveInputs = isRefresh ? refreshInputs(this.#specs, inputs, live) : inputsOfState(this.#specs, live);
    return { id: found.id, state: this.#marked(live), inputs: markSecrets(this.#specs, liveInputs) };
  }

  previewUpdate(state: Properties, news: Properties, diff: DiffResult): Properties {
    const planned = overlay(this.#planned(state, news), this.#plan(news));
    if (diff.detailed.size > 0) {
      for (const [name, output] of Object.entries(this.#outputs)) {
        if (output?.changesOnUpdate) planned[name] = Unknown.value;
      }
    }
    return this.#marked(planned);
  }

  async update(ctx: Ctx, id: string, state: Properties, news: Properties, diff: DiffResult, op: Operation) {
    const replaced = [...replacedNames(diff)];
    if (replaced.length > 0) {
      throw new Error(`Update of ${op.urn} would have to replace it because of ${replaced.join(", ")}`);
    }
    const planned = this.#planned(state, news);
    if (!this.#spec.update) return this.#marked(planned);
    try {
      const changed = { changed: changedNames(diff) };
      const updated = await this.#spec.update(ctx, idOf(id, state), state, withoutDefaults(news), changed, call(op));
      return this.#marked({ ...overlay(planned, updated.state as Properties), id: updated.id ?? idOf(id, state) });
    } catch (error) {
      // Terraform stores the wanted values in the state even after a failure, so the next `up` sees no difference.
      const failure = error instanceof PartialFailure ? error : new PartialFailure(id, {}, [messageOf(error)]);
      throw this.#partial(failure, planned, `updating ${op.urn}`);
    }
  }

  async delete(ctx: Ctx, id: string, state: Properties, op: Operation): Promise<void> {
    try {
      await this.#spec.delete(ctx, idOf(id, state), state, call(op));
    } catch (error) {
      throw new Error(`deleting ${op.urn}: ${messageOf(error)}`, { cause: error });
    }
  }

  #plan(inputs: Properties): Properties {
    return (this.#spec.plan?.(withoutDefaults(inputs)) ?? {}) as Properties;
  }

  /** The old state with the new inputs, before anything is done. */
  #planned(state: Properties, news: Properties): Properties {
    const planned = { ...state };
    for (const [name, spec] of Object.entries(this.#specs)) {
      if (!spec?.computed && (news[name] === undefined || news[name] === null)) delete planned[name];
    }
    return { ...planned, ...stateOfInputs(this.#specs, news) };
  }

  #partial(error: unknown, planned: Properties, doing: string): unknown {
    if (!(error instanceof PartialFailure)) return error;
    const state = this.#marked({ ...overlay(planned, error.state as Properties), id: error.id });
    return new PartialFailure(
      error.id,
      state,
      error.reasons.map((reason) => `${doing}: ${reason}`),
    );
  }

  #marked(state: Properties): Properties {
    return markSecrets({ ...this.#outputs, ...this.#specs }, state);
  }
}

function call({ urn, name, log, signal, timeoutSeconds }: Operation): Call {
  return { urn, name, log, signal, timeoutSeconds };
}
