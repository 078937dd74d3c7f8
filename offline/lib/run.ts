import { createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import { dirname } from "node:path";
import { execa } from "execa";
import { failure } from "./failures.js";
import { logFile } from "./paths.js";

/** Receives one line per step, for display. */
export type Progress = (line: string) => void;

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly input?: string;
  /** Milliseconds; none by default. */
  readonly timeout?: number;
}

export interface Outcome {
  readonly ok: boolean;
  readonly stdout: string;
  /** Standard output and standard error, interleaved. */
  readonly all: string;
}

/** Runs a short command; never throws if it fails. */
export async function attempt(file: string, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const result = await execa(file, args, {
    cwd: options.cwd,
    env: options.env,
    input: options.input,
    timeout: options.timeout,
    stdin: options.input === undefined ? "ignore" : undefined,
    all: true,
    reject: false,
    maxBuffer: 20_000_000,
  });
  const all = result.all ?? "";
  return {
    ok: !result.failed,
    stdout: result.stdout ?? "",
    all: result.failed && all === "" ? (result.shortMessage ?? "it could not be started") : all,
  };
}

/**
 * Opens a command's log. A log that cannot be written, as on a full disk, does not end the command: this process would
 * crash with it, and the command's own error would not be seen.
 */
export function openLog(path: string, flags: "a" | "w" = "w"): WriteStream {
  mkdirSync(dirname(path), { recursive: true });
  return createWriteStream(path, { flags }).on("error", () => undefined);
}

/** Not by a pipe, which would stop when the log can no longer be written, and the command with it. */
export const copyToLog = (output: NodeJS.ReadableStream, log: WriteStream): unknown =>
  output.on("data", (chunk: Buffer) => log.write(chunk));

/**
 * Runs a long command with its output in a separate log.
 * @param what the step, as in "build the image postgres"; used in the error
 * @param log name of the log file under .sandbox/logs, without the extension
 * @throws UserError naming cause and cure, or showing the last lines
 */
export async function runLogged(
  what: string,
  log: string,
  file: string,
  args: readonly string[],
  options: RunOptions & { readonly append?: boolean } = {},
): Promise<void> {
  const path = logFile(log);
  const stream = openLog(path, options.append === true ? "a" : "w");
  stream.write(`$ ${file} ${args.join(" ")}\n`);
  const child = execa(file, args, {
    cwd: options.cwd,
    env: options.env,
    timeout: options.timeout,
    stdin: "ignore",
    all: true,
    reject: false,
    maxBuffer: 50_000_000,
  });
  copyToLog(child.all, stream);
  const result = await child;
  await new Promise<void>((resolve) => stream.end(resolve));
  if (result.failed) throw failure(what, (result.all ?? "") || (result.shortMessage ?? ""), path);
}
