import { setTimeout as delay } from "node:timers/promises";
import * as grpc from "@grpc/grpc-js";

/** Milliseconds that a process that was told to end may take to flush its output. The engine waits for it. */
const closingTime = 500;

/** The engine's address, `host:port`: the last argument, behind flags such as `--tracing …`. Undefined without one. */
export function engineAddress(): string | undefined {
  const last = process.argv.at(-1);
  return process.argv.length > 2 && last !== undefined && /:\d+$/.test(last) ? last : undefined;
}

/** A server without limits on the size of messages: states may be large. */
export function newServer(): grpc.Server {
  return new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
}

/**
 * Binds the server to a free port of 127.0.0.1 and prints it on stdout, as the engine expects of a plugin. At SIGINT
 * (the engine's way to end plugins) or SIGTERM, or when the CLI is gone, `end` is called and the process ends.
 */
export function serveUntilEnded(server: grpc.Server, what: string, end: () => Promise<void>): void {
  const finish = () => {
    void Promise.race([end().catch(() => undefined), delay(closingTime)]).then(() => process.exit(0));
  };
  process.once("SIGINT", finish);
  process.once("SIGTERM", finish);
  // A killed CLI cannot end its plugins, so they watch for a change of their parent process.
  const parent = process.ppid;
  setInterval(() => {
    if (process.ppid !== parent) finish();
  }, 2000).unref();

  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) {
      process.stderr.write(`${what} cannot listen on 127.0.0.1: ${error.message}\n`);
      process.exit(1);
    }
    process.stdout.write(`${port}\n`);
  });
}
