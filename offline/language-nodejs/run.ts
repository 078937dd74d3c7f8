import { spawn } from "node:child_process";
import { createRequire } from "node:module";
import { join } from "node:path";
import type * as pb from "@pulumi/pulumi/proto/language_pb.js";
import { parseOptions, type RuntimeOptions } from "./options.js";

export interface RunResult {
  /** Empty if the program succeeded, or has reported its error itself. */
  readonly error: string;
  /** Whether the program has shown its error already, so that the CLI ends without another message. */
  readonly bail: boolean;
}

/** The SDK's exit code for "the user has been told" (cmd/run/index.js). */
const alreadyReported = 32;
/** Milliseconds that a cancelled program may take to end. */
const graceTime = 5000;

/** Runs the program with the SDK's own runner. */
export async function runProgram(request: pb.RunRequest, engine: string, signal: AbortSignal): Promise<RunResult> {
  const info = request.getInfo();
  if (!info) return failed("the CLI did not say where the program is");
  let options: RuntimeOptions;
  let runner: string;
  try {
    options = parseOptions(info.getOptions()?.toJavaScript() ?? {});
    runner = findRunner(info.getProgramDirectory());
  } catch (error) {
    return failed(error instanceof Error ? error.message : String(error));
  }
  const args = [...options.nodeargs, runner, ...runnerArguments(request, info, engine)];
  return execute(args, environment(request, options), signal);
}

function failed(error: string): RunResult {
  return { error, bail: false };
}

function findRunner(programDirectory: string): string {
  try {
    return createRequire(join(programDirectory, "package.json")).resolve("@pulumi/pulumi/cmd/run");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "MODULE_NOT_FOUND") throw error;
    throw new Error("It looks like the Pulumi SDK has not been installed. Have you run pulumi install?", {
      cause: error,
    });
  }
}

function runnerArguments(request: pb.RunRequest, info: pb.ProgramInfo, engine: string): string[] {
  const named = {
    monitor: request.getMonitorAddress(),
    engine,
    organization: request.getOrganization(),
    project: request.getProject(),
    "root-directory": info.getRootDirectory(),
    stack: request.getStack(),
    pwd: info.getProgramDirectory(),
    parallel: String(request.getParallel()),
  };
  return [
    ...Object.entries(named).flatMap(([name, value]) => (value === "" ? [] : [`--${name}`, value])),
    ...(request.getDryrun() ? ["--dry-run"] : []),
    info.getEntryPoint(),
    ...request.getArgsList(),
  ];
}

function environment(request: pb.RunRequest, options: RuntimeOptions): NodeJS.ProcessEnv {
  const config: Record<string, string> = {};
  request.getConfigMap().forEach((value, key) => {
    config[withConfigInfix(key)] = value;
  });
  return {
    ...process.env,
    PULUMI_CONFIG: JSON.stringify(config),
    PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    ...(options.typescript ? { PULUMI_NODEJS_TYPESCRIPT: "true" } : {}),
    ...(options.tsconfig === "" ? {} : { PULUMI_NODEJS_TSCONFIG_PATH: options.tsconfig }),
  };
}

/** `<namespace>:<name>` → `<namespace>:config:<name>`, which older SDKs expect and newer ones take too. */
function withConfigInfix(key: string): string {
  const [namespace = "", ...rest] = key.split(":");
  if (rest[0] === "config" && rest.length > 1) return key;
  return `${namespace}:config:${rest.join(":")}`;
}

function execute(args: string[], env: NodeJS.ProcessEnv, signal: AbortSignal): Promise<RunResult> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve(failed("the program was cancelled before it started"));
      return;
    }
    // stdout and stderr go through pipes: the engine reads this process's and shows each line at the stack.
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.pipe(process.stdout, { end: false });
    child.stderr.pipe(process.stderr, { end: false });

    let kill: NodeJS.Timeout | undefined;
    const cancel = () => {
      child.kill("SIGINT");
      kill = setTimeout(() => child.kill("SIGKILL"), graceTime);
    };
    signal.addEventListener("abort", cancel, { once: true });
    child.once("error", (error) => {
      resolve(failed(`Problem executing program (could not run language executor): ${error.message}`));
    });
    child.once("close", (code, signalName) => {
      signal.removeEventListener("abort", cancel);
      clearTimeout(kill);
      if (code === 0) resolve({ error: "", bail: false });
      else if (code === alreadyReported) resolve({ error: "", bail: true });
      else if (code !== null) resolve(failed(`Program exited with non-zero exit code: ${code}`));
      else resolve(failed(`Program was ended by ${signalName ?? "a signal"}`));
    });
  });
}
