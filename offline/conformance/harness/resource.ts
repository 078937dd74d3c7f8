import { randomBytes } from "node:crypto";
import type { ServiceError } from "@grpc/grpc-js";
import type providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import { CheckFailed, InitFailed, type CheckFailure } from "./errors.js";
import { annotate, fromStruct, plain, toStruct, type Props } from "./values.js";

/** What the engine would keep of a resource. */
export interface State {
  readonly id: string;
  /** As Check answered them. */
  readonly inputs: Props;
  readonly outputs: Props;
}

/** A Diff's answer, with the lists sorted. `replaces` empty and `changes` "some" is an update in place. */
export interface DiffResult {
  readonly changes: "none" | "some" | "unknown";
  /** Top-level names of what changed: from `diffs` or, without them, from the detailed diff. */
  readonly diffs: string[];
  /** Top-level names of what forces the replacement. */
  readonly replaces: string[];
  readonly deleteBeforeReplace: boolean;
}

export interface Options {
  /** Seconds; 0 is the plugin's own default. */
  readonly timeout?: number;
  readonly ignoreChanges?: readonly string[];
}

export type Unary<Req, Res> = (request: Req, done: (error: ServiceError | null, response: Res) => void) => unknown;

/** The plugin as its resources need it. */
export interface Calls {
  readonly client: InstanceType<typeof providerGrpc.ResourceProviderClient>;
  readonly flags: { readonly acceptSecrets: boolean } | undefined;
  call<Req, Res>(method: Unary<Req, Res>, request: Req): Promise<Res>;
}

/** Drives one resource through its life as the engine does, and keeps the state the engine would keep. */
export class Resource {
  state: State | undefined;
  readonly urn: string;

  constructor(
    private readonly plugin: Calls,
    readonly type: string,
    readonly name: string,
  ) {
    this.urn = `urn:pulumi:conformance::conformance::${type}::${name}`;
  }

  /** The id; only for a resource that has one. */
  get id(): string {
    return this.existing().id;
  }

  /** The outputs as they would be saved, secrets wrapped. */
  get outputs(): Props {
    return this.existing().outputs;
  }

  /** The outputs without secrets' wrapping. */
  get values(): Props {
    return plain(this.outputs);
  }

  private existing(): State {
    if (!this.state) {
      throw new Error(`${this.name} has not been created`);
    }
    return this.state;
  }

  /** The engine strips secrets for a plugin that does not accept them. */
  private send(props: Props): Props {
    return this.plugin.flags?.acceptSecrets ? props : plain(props);
  }

  /** Check against the present inputs, or as for a new resource with `fresh`. Failures are returned. */
  async check(news: Props, fresh = false): Promise<{ inputs: Props; failures: CheckFailure[] }> {
    const request = new provider.CheckRequest();
    this.address(request);
    if (this.state && !fresh) {
      request.setOlds(toStruct(this.send(this.state.inputs)));
    }
    request.setNews(toStruct(this.send(news)));
    request.setRandomseed(new Uint8Array(randomBytes(32)));
    const { client } = this.plugin;
    type Response = InstanceType<typeof provider.CheckResponse>;
    const response = await this.plugin.call<unknown, Response>(client.check.bind(client) as never, request);
    return {
      inputs: annotate(fromStruct(response.getInputs()), news),
      failures: response.getFailuresList().map((f) => ({ property: f.getProperty(), reason: f.getReason() })),
    };
  }

  private async checked(news: Props, fresh = false): Promise<Props> {
    const { inputs, failures } = await this.check(news, fresh);
    if (failures.length > 0) {
      throw new CheckFailed(failures);
    }
    return inputs;
  }

  /** What `pulumi preview` shows for a resource that does not exist. */
  async previewCreate(news: Props): Promise<Props> {
    const inputs = await this.checked(news, true);
    return (await this.callCreate(inputs, true, {})).outputs;
  }

  /** Check and Create. After a partial failure the state is kept and `InitFailed` thrown. */
  async create(news: Props, options: Options = {}): Promise<State> {
    const inputs = await this.checked(news, true);
    try {
      const created = await this.callCreate(inputs, false, options);
      this.state = { ...created, inputs };
      return this.state;
    } catch (error) {
      if (error instanceof InitFailed) {
        this.state = { id: error.id, inputs, outputs: annotate(error.properties, inputs) };
      }
      throw error;
    }
  }

  private async callCreate(inputs: Props, preview: boolean, options: Options): Promise<{ id: string; outputs: Props }> {
    const request = new provider.CreateRequest();
    this.address(request);
    request.setProperties(toStruct(this.send(inputs)));
    request.setPreview(preview);
    request.setTimeout(options.timeout ?? 0);
    const { client } = this.plugin;
    type Response = InstanceType<typeof provider.CreateResponse>;
    const response = await this.plugin.call<unknown, Response>(client.create.bind(client) as never, request);
    return { id: response.getId(), outputs: annotate(fromStruct(response.getProperties()), inputs) };
  }

  /** Check and Diff of the state against new inputs (default: the program's last). */
  async diff(news: Props, options: Options = {}): Promise<DiffResult> {
    const state = this.existing();
    const inputs = await this.checked(news);
    const request = new provider.DiffRequest();
    this.address(request);
    request.setId(state.id);
    request.setOlds(toStruct(this.send(state.outputs)));
    request.setNews(toStruct(this.send(inputs)));
    request.setOldInputs(toStruct(this.send(state.inputs)));
    request.setIgnorechangesList([...(options.ignoreChanges ?? [])]);
    const { client } = this.plugin;
    type Response = InstanceType<typeof provider.DiffResponse>;
    const response = await this.plugin.call<unknown, Response>(client.diff.bind(client) as never, request);
    const detailed = [...response.getDetaileddiffMap().keys()] as string[];
    const diffs = response.getDiffsList().length > 0 ? response.getDiffsList() : detailed;
    return {
      changes: (["unknown", "none", "some"] as const)[response.getChanges()],
      diffs: topLevel(diffs),
      replaces: topLevel(response.getReplacesList()),
      deleteBeforeReplace: response.getDeletebeforereplace(),
    };
  }

  /** What `pulumi preview` shows for an update in place. */
  async previewUpdate(news: Props): Promise<Props> {
    return (await this.callUpdate(await this.checked(news), true, {})).outputs;
  }

  /** Check and Update, without asking Diff: also the empty update that clears init errors. */
  async update(news: Props, options: Options = {}): Promise<State> {
    const inputs = await this.checked(news);
    try {
      this.state = await this.callUpdate(inputs, false, options);
      return this.state;
    } catch (error) {
      if (error instanceof InitFailed) {
        this.state = { id: error.id, inputs, outputs: annotate(error.properties, inputs) };
      }
      throw error;
    }
  }

  private async callUpdate(inputs: Props, preview: boolean, options: Options): Promise<State> {
    const state = this.existing();
    const request = new provider.UpdateRequest();
    this.address(request);
    request.setId(state.id);
    request.setOlds(toStruct(this.send(state.outputs)));
    request.setNews(toStruct(this.send(inputs)));
    request.setOldInputs(toStruct(this.send(state.inputs)));
    request.setPreview(preview);
    request.setTimeout(options.timeout ?? 0);
    request.setIgnorechangesList([...(options.ignoreChanges ?? [])]);
    const { client } = this.plugin;
    type Response = InstanceType<typeof provider.UpdateResponse>;
    const response = await this.plugin.call<unknown, Response>(client.update.bind(client) as never, request);
    return { id: state.id, inputs, outputs: annotate(fromStruct(response.getProperties()), inputs) };
  }

  /**
   * Read, as `pulumi refresh` calls it; keeps what it found as the state, as refresh does.
   *
   * @returns undefined when the resource is gone; the state is then forgotten
   */
  async refresh(): Promise<State | undefined> {
    const state = this.existing();
    const read = await this.read(state.id, state.outputs, state.inputs);
    this.state = read && {
      id: read.id,
      // The engine takes over the inputs that Read answers (pulumi `pkg/resource/deploy/step.go`, RefreshStep).
      inputs: Object.keys(read.inputs).length > 0 ? annotate(read.inputs, state.inputs) : state.inputs,
      outputs: annotate(read.outputs, state.inputs),
    };
    return this.state;
  }

  /** Read by id alone, as `pulumi import` and `X.get` do. */
  async import(id: string): Promise<State | undefined> {
    return this.read(id, {}, {});
  }

  private async read(id: string, outputs: Props, inputs: Props): Promise<State | undefined> {
    const request = new provider.ReadRequest();
    this.address(request);
    request.setId(id);
    request.setProperties(toStruct(this.send(outputs)));
    request.setInputs(toStruct(this.send(inputs)));
    const { client } = this.plugin;
    type Response = InstanceType<typeof provider.ReadResponse>;
    const response = await this.plugin.call<unknown, Response>(client.read.bind(client) as never, request);
    if (response.getId() === "") {
      return undefined;
    }
    return {
      id: response.getId(),
      outputs: fromStruct(response.getProperties()),
      inputs: fromStruct(response.getInputs()),
    };
  }

  async delete(options: Options = {}): Promise<void> {
    const state = this.existing();
    const request = new provider.DeleteRequest();
    this.address(request);
    request.setId(state.id);
    request.setProperties(toStruct(this.send(state.outputs)));
    request.setOldInputs(toStruct(this.send(state.inputs)));
    request.setTimeout(options.timeout ?? 0);
    const { client } = this.plugin;
    await this.plugin.call(client.delete.bind(client), request);
    this.state = undefined;
  }

  private address(request: {
    setUrn(v: string): unknown;
    setName(v: string): unknown;
    setType(v: string): unknown;
  }): void {
    request.setUrn(this.urn);
    request.setName(this.name);
    request.setType(this.type);
  }
}

/** `ports[0].external` → `ports`; without duplicates. */
function topLevel(paths: readonly string[]): string[] {
  return [...new Set(paths.map((path) => /^[^.[]+/.exec(path)?.[0] ?? path))].sort();
}
