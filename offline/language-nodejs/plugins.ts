import * as grpc from "@grpc/grpc-js";
import language from "@pulumi/pulumi/proto/language_pb.js";
import type * as pb from "@pulumi/pulumi/proto/language_pb.js";
import { serve, type Served } from "../plugins/framework/server.js";
import { standIn } from "../plugins/index.js";

type Call = grpc.ServerWritableStream<pb.RunPluginRequest, pb.RunPluginResponse>;

/**
 * The plugins that the CLI has this language host run: each is a provider on a port of its own, inside this process.
 * A process of its own for each would take twice the processor time of what a run asks of it (docs/decisions/0201).
 */
export class PluginRuns {
  private readonly running = new Set<Served>();

  /** Serves the stand-in that `standIn` in its PulumiPlugin.yaml names, until the CLI cancels the call. */
  start(call: Call): void {
    this.run(call).catch((error: unknown) => {
      call.emit("error", {
        code: grpc.status.UNKNOWN,
        details: error instanceof Error ? error.message : String(error),
      });
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.running].map((served) => served.close()));
  }

  private async run(call: Call): Promise<void> {
    const { standIn: name } = (call.request.getInfo()?.getOptions()?.toJavaScript() ?? {}) as { standIn?: unknown };
    if (typeof name !== "string") throw new Error("this language host runs no plugins but the sandbox's stand-ins");
    // Its arguments are those of a plugin that is a program: the engine's address is the last.
    const served = await serve(await standIn(name), call.request.getArgsList().at(-1));
    this.running.add(served);
    call.once("cancelled", () => {
      this.running.delete(served);
      void served.close();
    });
    const response = new language.RunPluginResponse();
    response.setStdout(Buffer.from(`${served.port}\n`));
    call.write(response);
  }
}
