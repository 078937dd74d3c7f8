import { spawn } from "node:child_process";
import { delimiter, join, resolve } from "node:path";
import { Failure, reason } from "./failure";
import { mask } from "./secrets";

/** The project's root, in which all scripts run. */
export const ROOT = resolve(__dirname, "../..");
/** Where ci/prepare.sh puts programs that the job's image lacks. */
const TOOLS = join(ROOT, ".cache/ci/bin");

export interface ExecOptions {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly input?: string;
  readonly cwd?: string;
  /** Called with each line of output, masked; default: nothing is shown. */
  readonly echo?: (line: string) => void;
}

export interface ExecResult {
  readonly code: number;
  readonly stdout: string;
  /** Standard output and error, interleaved. */
  readonly all: string;
}

/** Runs a command. It does not throw for a non-zero exit. @throws Failure if the command does not exist */
export type Exec = (file: string, args: readonly string[], options?: ExecOptions) => Promise<ExecResult>;

/**
 * The real {@link Exec}. A cancelled job, or a terminal whose connection is lost, interrupts the command once and waits, so
 * that Pulumi releases its lock itself.
 */
export const exec: Exec = (file, args, options = {}) =>
  new Promise((done, fail) => {
    const env: NodeJS.ProcessEnv = { ...(options.env ?? process.env) };
    env.PATH = [TOOLS, env.PATH ?? ""].join(delimiter);
    // Its own process group, so that a signal to the job's group does not reach the command twice: to Pulumi a second
    // one means "exit at once".
    const child = spawn(file, args, { cwd: options.cwd ?? ROOT, env, stdio: "pipe", detached: true });
    const interrupt = (): void => void child.kill("SIGINT");
    const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
    for (const signal of signals) process.once(signal, interrupt);
    let stdout = "";
    let all = "";
    const lines = (stream: NodeJS.ReadableStream, add: (text: string) => void): void => {
      let rest = "";
      stream.setEncoding("utf8");
      stream.on("data", (chunk: string) => {
        add(chunk);
        const parts = (rest + chunk).split("\n");
        rest = parts.pop() ?? "";
        for (const line of parts) options.echo?.(mask(line));
      });
      stream.on("end", () => {
        if (rest !== "") options.echo?.(mask(rest));
      });
    };
    lines(child.stdout, (text) => {
      stdout += text;
      all += text;
    });
    lines(child.stderr, (text) => (all += text));
    // A command may end without reading its input; only its exit code counts.
    child.stdin.on("error", () => undefined);
    child.stdin.end(options.input ?? "");
    child.on("error", (error) => {
      fail(new Failure(`${file} cannot be run: ${reason(error)}; ci/prepare.sh installs what the job's image lacks`));
    });
    child.on("close", (code) => {
      for (const signal of signals) process.off(signal, interrupt);
      done({ code: code ?? 1, stdout, all });
    });
  });
