import { spawn } from "node:child_process";
import { existsSync } from "node:fs";

export interface CommandRun {
  readonly command: string;
  /** The program and arguments before the command; empty: `/bin/sh -c`. */
  readonly interpreter: readonly string[];
  readonly dir: string | undefined;
  /** Added to this process's whole environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** Empty: nothing to read. */
  readonly stdin: string;
  readonly signal: AbortSignal;
  readonly onLine: (stream: "stdout" | "stderr", line: string) => void;
}

export interface CommandResult {
  readonly stdout: string;
  readonly stderr: string;
  /** Both streams, interleaved. */
  readonly both: string;
  /** In the words of Go's os/exec; undefined: the command ended with 0. */
  readonly failure: string | undefined;
}

/** Runs a command to its end; it is killed when the signal is aborted. Never rejects. */
export function runCommand(run: CommandRun): Promise<CommandResult> {
  const [program = "/bin/sh", ...args] = run.interpreter.length > 0 ? run.interpreter : ["/bin/sh", "-c"];
  const output = { stdout: [] as Buffer[], stderr: [] as Buffer[], both: [] as Buffer[] };
  return new Promise((resolve) => {
    const finish = (failure: string | undefined) => {
      resolve({
        stdout: Buffer.concat(output.stdout).toString(),
        stderr: Buffer.concat(output.stderr).toString(),
        both: Buffer.concat(output.both).toString(),
        failure,
      });
    };
    if (run.signal.aborted) {
      finish("context canceled");
      return;
    }
    const child = spawn(program, [...args, run.command], {
      cwd: run.dir,
      env: { ...process.env, ...run.environment },
      stdio: ["pipe", "pipe", "pipe"],
    });
    // A command may end without reading its input.
    child.stdin.on("error", () => undefined);
    child.stdin.end(run.stdin);
    for (const stream of ["stdout", "stderr"] as const) {
      const lines = lineSplitter((line) => {
        run.onLine(stream, line);
      });
      child[stream].on("data", (data: Buffer) => {
        output[stream].push(data);
        output.both.push(data);
        lines.write(data);
      });
      child[stream].on("end", () => {
        lines.end();
      });
    }
    const kill = () => child.kill("SIGKILL");
    run.signal.addEventListener("abort", kill, { once: true });
    child.once("error", (error: NodeJS.ErrnoException) => {
      run.signal.removeEventListener("abort", kill);
      finish(startFailure(error, program, run.dir));
    });
    child.once("close", (code, signal) => {
      run.signal.removeEventListener("abort", kill);
      if (code === 0) finish(undefined);
      else finish(code === null ? `signal: ${signalName(signal)}` : `exit status ${code}`);
    });
  });
}

function startFailure(error: NodeJS.ErrnoException, program: string, dir: string | undefined): string {
  if (error.code !== "ENOENT") return error.message;
  if (dir !== undefined && !existsSync(dir)) return `chdir ${dir}: no such file or directory`;
  if (program.includes("/")) return `fork/exec ${program}: no such file or directory`;
  return `exec: "${program}": executable file not found in $PATH`;
}

function signalName(signal: NodeJS.Signals | null): string {
  return signal === "SIGKILL" ? "killed" : signal === "SIGTERM" ? "terminated" : (signal ?? "unknown");
}

/** Calls back for each whole line, without its end; bytes are joined before they are decoded. */
function lineSplitter(onLine: (line: string) => void): { write(data: Buffer): void; end(): void } {
  let rest = Buffer.alloc(0);
  const emit = (line: Buffer) => {
    onLine(line.toString().replace(/\r$/, ""));
  };
  return {
    write(data) {
      rest = Buffer.concat([rest, data]);
      for (let newline = rest.indexOf(10); newline >= 0; newline = rest.indexOf(10)) {
        emit(rest.subarray(0, newline));
        rest = rest.subarray(newline + 1);
      }
    },
    end() {
      if (rest.length > 0) emit(rest);
      rest = Buffer.alloc(0);
    },
  };
}
