import type { FastifyInstance } from "fastify";
import { buildApp } from "./app.js";
import { type Listen, readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";

/** Milliseconds that the configuration may take before the service listens without it. */
const FIRST_ATTEMPT = 5_000;

/** Runs the service until SIGTERM or SIGINT. Resolves to the exit code: 0 after a clean stop, 1 when the grace period ran out. */
export async function serve(): Promise<number> {
  const env = readEnv();
  // First of all: as a container's first process it would otherwise ignore a stop that comes early.
  const stop = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, resolve);
  });
  const app = await buildApp({
    configFile: env.configFile,
    release: env.release,
    reloadOnMain: env.adminListen === "off",
    logLevel: env.logLevel,
  });
  const { log } = app.main;
  // What nobody caught is a bug, and what it left half done is unknown: say it in the log's own form and start afresh.
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      process.exit(1);
    });
  // Before anybody can connect: a proxy that is refused a connection asks another replica, but the 503 of one that is not ready yet it
  // passes on. Without a configuration the service waits: health answers, readiness says what is missing, the watch goes on looking.
  const patience = new Promise((resolve) => setTimeout(resolve, FIRST_ATTEMPT).unref());
  await Promise.race([app.configReloader.reload(), patience, stop]);
  await listen(app.main, "AUDIT_LISTEN", env.listen);
  if (env.adminListen !== "off") await listen(app.admin, "AUDIT_ADMIN_LISTEN", env.adminListen);
  app.configReloader.watch(env.watchSeconds);

  const signal = await stop;
  log.info({ signal }, "stopping");
  const timeout = new Promise<"late">((resolve) => setTimeout(resolve, env.graceSeconds * 1000, "late").unref());
  const result = await Promise.race([app.close().then(() => "done" as const), timeout]).catch((error: unknown) => {
    log.error({ reason: reasonOf(error) }, "stopping failed");
    return "failed" as const;
  });
  log.info({ result }, "stopped");
  return result === "done" ? 0 : 1;
}

async function listen(server: FastifyInstance, setting: string, address: Listen): Promise<void> {
  try {
    await server.listen(address);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new UserError(`${setting}: cannot listen on ${address.host}:${address.port}: ${code ?? reasonOf(error)}.`);
  }
}
