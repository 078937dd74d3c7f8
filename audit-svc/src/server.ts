import type { FastifyInstance } from "fastify";
import { buildApp } from "./app.js";
import { type Listen, readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";

/** Milliseconds to wait for the configuration before the service listens without it. */
const FIRST_ATTEMPT = 5_000;

/**
 * Runs the service until SIGTERM or SIGINT. Resolves to the exit code: 0 after a clean stop, 1 if the grace period ran
 * out.
 */
export async function serve(): Promise<number> {
  const env = readEnv();
  // Comes first: as PID 1 of a container the process would otherwise ignore an early stop.
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
  // An uncaught error is a bug that leaves an unknown state: log it in the log's own format and exit, so that Docker
  // restarts the service.
  for (const event of ["uncaughtException", "unhandledRejection"] as const)
    process.on(event, (error: unknown) => {
      log.fatal({ err: error }, event);
      process.exit(1);
    });
  // Load the configuration before listening: a proxy whose connection is refused tries another replica, but passes on
  // the 503 of a replica that is not ready. Without a configuration the service waits: health answers, readiness says
  // what is missing, and the watch keeps checking the file.
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
