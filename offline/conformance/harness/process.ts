import { spawn, type ChildProcess } from "node:child_process";
import * as grpc from "@grpc/grpc-js";
import engineGrpc from "@pulumi/pulumi/proto/engine_grpc_pb.js";
import engine from "@pulumi/pulumi/proto/engine_pb.js";
import empty from "google-protobuf/google/protobuf/empty_pb.js";

const START_TIMEOUT_MS = 20_000;
const STOP_TIMEOUT_MS = 5_000;
/** The engine's own limit; the SDK's default of 4 MB is too small for some states. */
const MAX_MESSAGE = 400 * 1024 * 1024;

export interface LogLine {
  readonly severity: "debug" | "info" | "warning" | "error";
  readonly urn: string;
  readonly message: string;
}

/** A plugin's process, started as the CLI starts it, and the engine's side of the conversation: a log. */
export interface PluginProcess {
  readonly address: string;
  readonly engineAddress: string;
  readonly logs: LogLine[];
  stop(): Promise<void>;
}

/**
 * Starts a plugin: the engine's address ends its command line, the first line on stdout is the port it listens on.
 *
 * @param env - replaces the environment, so that a developer's own VAULT_TOKEN never reaches a plugin under test
 */
export async function startPlugin(
  [binary = "", ...args]: readonly string[],
  env: NodeJS.ProcessEnv,
  cwd: string,
): Promise<PluginProcess> {
  const logs: LogLine[] = [];
  const server = await startEngine(logs);
  const child = spawn(binary, [...args, server.address], { env, cwd, stdio: ["ignore", "pipe", "pipe"] });
  let stderr = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr = (stderr + chunk.toString()).slice(-4_000);
  });
  const stop = async (): Promise<void> => {
    await end(child);
    server.server.forceShutdown();
  };
  try {
    const port = await firstLine(child);
    return { address: `127.0.0.1:${port}`, engineAddress: server.address, logs, stop };
  } catch (error) {
    await stop();
    throw new Error(`${binary} did not start: ${(error as Error).message}\n${stderr}`, { cause: error });
  }
}

export const channelOptions = {
  "grpc.max_receive_message_length": MAX_MESSAGE,
  "grpc.max_send_message_length": MAX_MESSAGE,
};

async function startEngine(logs: LogLine[]): Promise<{ server: grpc.Server; address: string }> {
  const server = new grpc.Server();
  const severities = ["debug", "info", "warning", "error"] as const;
  server.addService(engineGrpc.EngineService, {
    log(
      call: grpc.ServerUnaryCall<InstanceType<typeof engine.LogRequest>, unknown>,
      done: grpc.sendUnaryData<unknown>,
    ) {
      const { request } = call;
      logs.push({
        severity: severities[request.getSeverity()] ?? "info",
        urn: request.getUrn(),
        message: request.getMessage(),
      });
      done(null, new empty.Empty());
    },
    getRootResource: (_call: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new engine.GetRootResourceResponse());
    },
    setRootResource: (_call: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new engine.SetRootResourceResponse());
    },
    startDebugging: (_call: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new empty.Empty());
    },
    requirePulumiVersion: (_call: unknown, done: grpc.sendUnaryData<unknown>) => {
      done(null, new engine.RequirePulumiVersionResponse());
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) => {
      if (error) {
        reject(error);
      } else {
        resolve(bound);
      }
    });
  });
  return { server, address: `127.0.0.1:${port}` };
}

async function firstLine(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    let text = "";
    const timer = setTimeout(() => {
      reject(new Error(`no port on stdout within ${START_TIMEOUT_MS / 1000} s`));
    }, START_TIMEOUT_MS);
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const line = /^(\d+)\r?\n/.exec(text);
      if (line) {
        clearTimeout(timer);
        resolve(Number(line[1]));
      } else if (text.includes("\n")) {
        clearTimeout(timer);
        reject(new Error(`the first line on stdout is no port: ${JSON.stringify(text.slice(0, 200))}`));
      }
    });
    child.once("error", (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.once("exit", (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`it ended with ${signal ?? code ?? "?"} before it printed a port`));
    });
  });
}

/** The CLI closes a plugin by a signal too; one that does not end is killed, and that is a failure of the plugin. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) {
    return;
  }
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}
