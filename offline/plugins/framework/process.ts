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
 * Binds the server to a free port of 127.0.0.1.
 *
 * @returns the port
 * @throws Error naming what cannot listen
 */
export function listen(server: grpc.Server, what: string): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
      if (error) reject(new Error(`${what} cannot listen on 127.0.0.1: ${error.message}`));
      else resolve(port);
    });
  });
}

/**
 * Serves, and prints the port on stdout, as the engine expects of a plugin. At SIGINT (the engine's way to end plugins) or
 * SIGTERM, or when the CLI is gone, what is served is closed and the process ends.
 */
export function runUntilEnded(start: () => Promise<{ port: number; close: () => Promise<void> }>): void {
  // A killed CLI cannot end its plugins, so they watch for a change of their parent process.
  const parent = process.ppid;
  start().then(
    ({ port, close }) => {
      const finish = () => {
        void Promise.race([close().catch(() => undefined), delay(closingTime)]).then(() => process.exit(0));
      };
      process.once("SIGINT", finish);
      process.once("SIGTERM", finish);
      setInterval(() => {
        if (process.ppid !== parent) finish();
      }, 2000).unref();
      process.stdout.write(`${port}\n`);
    },
    (error: unknown) => {
      process.stderr.write(`${(error as Error).message}\n`);
      process.exit(1);
    },
  );
}
