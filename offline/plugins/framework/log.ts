import * as grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";

/** Lines shown to the user at a resource. They reach the engine in the order in which they were written. */
export interface Logger {
  debug(message: string): void;
  info(message: string): void;
  warn(message: string): void;
  error(message: string): void;
  /** A passing status line: shown in the live display only, as the genuine plugins stream a command's output. */
  status(message: string): void;
}

/** The engine's log. Without an address (a test that talks to the plugin alone) the lines go to stderr. */
export class EngineLog {
  #client: InstanceType<typeof engineGrpc.EngineClient> | undefined;
  #address: string | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(address: string | undefined) {
    this.#address = address;
  }

  /** The engine sends its address again when it attaches to a plugin that was started by hand. */
  attach(address: string): void {
    this.#client?.close();
    this.#client = undefined;
    this.#address = address;
  }

  for(urn: string): Logger {
    const write = (severity: number, ephemeral: boolean) => (message: string) => {
      this.#write(urn, severity, ephemeral, message);
    };
    const { DEBUG, INFO, WARNING, ERROR } = engine.LogSeverity;
    return {
      debug: write(DEBUG, false),
      info: write(INFO, false),
      warn: write(WARNING, false),
      error: write(ERROR, false),
      status: write(INFO, true),
    };
  }

  /** Resolves when all lines so far have arrived, so that an operation's answer does not overtake its log. */
  async flushed(): Promise<void> {
    await this.#last;
  }

  #write(urn: string, severity: number, ephemeral: boolean, message: string): void {
    if (this.#address === undefined) {
      process.stderr.write(`${message}\n`);
      return;
    }
    this.#client ??= new engineGrpc.EngineClient(this.#address, grpc.credentials.createInsecure());
    const client = this.#client;
    const request = new engine.LogRequest();
    request.setSeverity(severity);
    request.setMessage(message);
    request.setUrn(urn);
    request.setEphemeral(ephemeral);
    this.#last = this.#last.then(
      () =>
        new Promise<void>((resolve) => {
          // A line that cannot be delivered is no reason to fail the operation.
          client.log(request, () => {
            resolve();
          });
        }),
    );
  }
}
