import * as grpc from "@grpc/grpc-js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import provider from "@pulumi/pulumi/proto/provider_pb.js";
import status from "@pulumi/pulumi/proto/status_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import { InitFailed, type CheckFailure } from "./errors.js";
import { channelOptions, startPlugin, type LogLine, type PluginProcess } from "./process.js";
import { Resource, type Calls, type Unary } from "./resource.js";
import { fromStruct, plain, toStruct, type Props } from "./values.js";

/** What Configure answered: which of the engine's features the plugin asks for. */
export interface Flags {
  readonly acceptSecrets: boolean;
  readonly supportsPreview: boolean;
  readonly acceptResources: boolean;
  readonly acceptOutputs: boolean;
  readonly supportsAutonamingConfiguration: boolean;
}

type InvokeResponse = InstanceType<typeof provider.InvokeResponse>;

/** One running plugin, spoken to as the engine of CLI 3.250 does. */
export class Plugin implements Calls {
  readonly resources: Resource[] = [];
  flags: Flags | undefined;

  private constructor(
    readonly name: string,
    private readonly process: PluginProcess,
    readonly client: InstanceType<typeof providerGrpc.ResourceProviderClient>,
  ) {}

  /** Starts it by its command line and says hello; not configured yet. */
  static async start(name: string, command: readonly string[], env: NodeJS.ProcessEnv, cwd: string): Promise<Plugin> {
    const process = await startPlugin(command, env, cwd);
    const client = new providerGrpc.ResourceProviderClient(
      process.address,
      grpc.credentials.createInsecure(),
      channelOptions,
    );
    const plugin = new Plugin(name, process, client);
    try {
      await plugin.handshake();
    } catch (error) {
      await plugin.stop();
      throw error;
    }
    return plugin;
  }

  get logs(): readonly LogLine[] {
    return this.process.logs;
  }

  /** A unary call as a promise; a partial failure becomes `InitFailed`. */
  async call<Req, Res>(method: Unary<Req, Res>, request: Req): Promise<Res> {
    return new Promise((resolve, reject) => {
      method.call(this.client, request, (error, response) => {
        if (error) {
          reject(initFailed(error) ?? error);
        } else {
          resolve(response);
        }
      });
    });
  }

  private async handshake(): Promise<void> {
    const request = new provider.ProviderHandshakeRequest();
    request.setEngineAddress(this.process.engineAddress);
    request.setConfigureWithUrn(true);
    await this.call(this.client.handshake.bind(this.client) as never, request).catch(ignoreUnimplemented);
  }

  /** The plugin's version as GetPluginInfo tells it. */
  async version(): Promise<string> {
    const info = await this.call<unknown, { getVersion(): string }>(
      this.client.getPluginInfo.bind(this.client) as never,
      new empty.Empty(),
    );
    return info.getVersion();
  }

  /** CheckConfig as the engine calls it before Configure; the failures are returned, not thrown. */
  async checkConfig(config: Props): Promise<{ config: Props; failures: CheckFailure[] }> {
    const request = new provider.CheckRequest();
    request.setUrn(`urn:pulumi:conformance::conformance::pulumi:providers:${this.name}::default`);
    request.setNews(toStruct(config));
    type Response = InstanceType<typeof provider.CheckResponse>;
    const response = await this.call<unknown, Response>(
      this.client.checkConfig.bind(this.client) as never,
      request,
    ).catch((error: unknown) => {
      ignoreUnimplemented(error);
      return undefined;
    });
    return {
      config: response?.getInputs() ? fromStruct(response.getInputs()) : config,
      failures: (response?.getFailuresList() ?? []).map((f) => ({ property: f.getProperty(), reason: f.getReason() })),
    };
  }

  /**
   * CheckConfig and Configure. What is not a string goes JSON-encoded inside a string, as the SDKs' Provider
   * resources send it.
   */
  async configure(settings: Props = {}): Promise<Flags> {
    const encoded = Object.fromEntries(
      Object.entries(settings).map(([k, v]) => [k, typeof v === "string" ? v : JSON.stringify(v)]),
    );
    const { config, failures } = await this.checkConfig(encoded);
    if (failures.length > 0) {
      throw new Error(failures.map((f) => `${f.property}: ${f.reason}`).join("; "));
    }
    const request = new provider.ConfigureRequest();
    request.setArgs(toStruct(config));
    for (const [key, value] of Object.entries(plain<Props>(config))) {
      request
        .getVariablesMap()
        .set(`${this.name}:config:${key}`, typeof value === "string" ? value : JSON.stringify(value));
    }
    request.setAcceptsecrets(true);
    request.setAcceptresources(true);
    request.setSendsOldInputs(true);
    request.setSendsOldInputsToDelete(true);
    type Response = InstanceType<typeof provider.ConfigureResponse>;
    const response = await this.call<unknown, Response>(this.client.configure.bind(this.client) as never, request);
    this.flags = {
      acceptSecrets: response.getAcceptsecrets(),
      supportsPreview: response.getSupportspreview(),
      acceptResources: response.getAcceptresources(),
      acceptOutputs: response.getAcceptoutputs(),
      supportsAutonamingConfiguration: response.getSupportsAutonamingConfiguration(),
    };
    return this.flags;
  }

  /** Calls a function, outside of a preview. */
  async invoke(token: string, args: Props): Promise<Props> {
    const request = new provider.InvokeRequest();
    request.setTok(token);
    request.setArgs(toStruct(args));
    const response = await this.call<unknown, InvokeResponse>(this.client.invoke.bind(this.client) as never, request);
    const [failure] = response.getFailuresList();
    if (failure !== undefined) throw new Error(failure.getReason());
    return plain<Props>(fromStruct(response.getReturn()));
  }

  /** A resource of this plugin, without any state yet. `cleanUp` deletes those that tests leave. */
  resource(type: string, name: string): Resource {
    const resource = new Resource(this, type, name);
    this.resources.push(resource);
    return resource;
  }

  /** Deletes what tests left, last first. Answers the errors instead of throwing, so that all are tried. */
  async cleanUp(): Promise<Error[]> {
    const errors: Error[] = [];
    for (const resource of this.resources.splice(0).reverse()) {
      if (resource.state) {
        await resource.delete().catch((error: unknown) => errors.push(error as Error));
      }
    }
    return errors;
  }

  async stop(): Promise<void> {
    this.client.close();
    await this.process.stop();
  }
}

function ignoreUnimplemented(error: unknown): void {
  if ((error as Partial<grpc.ServiceError>).code !== grpc.status.UNIMPLEMENTED) {
    throw error;
  }
}

function initFailed(error: grpc.ServiceError): InitFailed | undefined {
  const details = error.metadata?.get("grpc-status-details-bin") ?? [];
  for (const detail of details) {
    const message = status.Status.deserializeBinary(new Uint8Array(detail as Buffer));
    for (const any of message.getDetailsList()) {
      if (any.getTypeName() === "pulumirpc.ErrorResourceInitFailed") {
        const failed = provider.ErrorResourceInitFailed.deserializeBinary(any.getValue_asU8());
        return new InitFailed(
          error.details,
          failed.getId(),
          fromStruct(failed.getProperties()),
          fromStruct(failed.getInputs()),
          failed.getReasonsList(),
        );
      }
    }
  }
  return undefined;
}
