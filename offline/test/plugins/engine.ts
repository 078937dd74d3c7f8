import * as grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import type * as enginePb from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";
import providerGrpc from "@pulumi/pulumi/proto/provider_grpc_pb.js";
import { EngineLog } from "../../plugins/framework/log.js";
import { listen } from "../../plugins/framework/process.js";
import { providerServer, type Handlers } from "../../plugins/framework/server.js";

export interface LogLine {
  readonly severity: number;
  readonly message: string;
  readonly urn: string;
  readonly ephemeral: boolean;
}

/** The engine's side of the protocol: takes the plugins' log lines. */
export class Engine {
  readonly lines: LogLine[] = [];
  readonly #server = new grpc.Server();
  address = "";

  async start(): Promise<this> {
    this.#server.addService(engineGrpc.EngineService, {
      log: (call: grpc.ServerUnaryCall<enginePb.LogRequest, unknown>, callback: grpc.sendUnaryData<unknown>) => {
        const request = call.request;
        this.lines.push({
          severity: request.getSeverity(),
          message: request.getMessage(),
          urn: request.getUrn(),
          ephemeral: request.getEphemeral(),
        });
        callback(null, new empty.Empty());
      },
    });
    this.address = `127.0.0.1:${await listen(this.#server, "the engine")}`;
    return this;
  }

  stop(): void {
    this.#server.forceShutdown();
  }
}

type Method = keyof InstanceType<typeof providerGrpc.ResourceProviderClient>;

/** Handlers served in this process and a client that speaks to them over a real connection. */
export class Served {
  readonly #ending = new AbortController();
  readonly #server: grpc.Server;
  #client: InstanceType<typeof providerGrpc.ResourceProviderClient> | undefined;

  constructor(handlers: Handlers, engineAddress: string | undefined) {
    this.#server = providerServer(handlers, new EngineLog(engineAddress), this.#ending.signal);
  }

  async start(): Promise<this> {
    const address = `127.0.0.1:${await listen(this.#server, "the plugin")}`;
    this.#client = new providerGrpc.ResourceProviderClient(address, grpc.credentials.createInsecure());
    return this;
  }

  /** One unary call; rejects with the status. */
  call<Response>(method: Method, request: unknown): Promise<Response> {
    const client = this.#client as unknown as Record<
      string,
      (request: unknown, done: (error: grpc.ServiceError | null, response: Response) => void) => void
    >;
    return new Promise((resolve, reject) => {
      client[method]?.(request, (error, response) => {
        if (error) reject(error);
        else resolve(response);
      });
    });
  }

  stop(): void {
    this.#ending.abort();
    this.#client?.close();
    this.#server.forceShutdown();
  }
}
