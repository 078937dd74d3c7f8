import { readEnv } from "./env.js";
import { UserError, reasonOf } from "./errors.js";

/** `health [--live]`: asks the service in this container, because the image has no curl. Resolves to 0 or 1. */
export async function healthCommand(args: readonly string[]): Promise<number> {
  const unknown = args.find((arg) => arg !== "--live");
  if (unknown !== undefined) throw new UserError(`health: unknown argument "${unknown}"; only --live is known.`);
  const { host, port } = readEnv().listen;
  const address = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "[::1]" : host.includes(":") ? `[${host}]` : host;
  try {
    const answer = await fetch(`http://${address}:${port}/${args.includes("--live") ? "healthz" : "readyz"}`, {
      signal: AbortSignal.timeout(5000),
    });
    process.stdout.write(`${await answer.text()}\n`);
    return answer.ok ? 0 : 1;
  } catch (error) {
    process.stdout.write(`${reasonOf(error)}\n`);
    return 1;
  }
}
