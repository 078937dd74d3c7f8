import { randomBytes } from "node:crypto";
import sdk from "@pulumi/command/package.json" with { type: "json" };
import { notImplemented, type Failure } from "../framework/check.js";
import type { Handlers } from "../framework/server.js";
import { deepEqual, Secret, Unknown, withoutSecrets, type Properties } from "../framework/values.js";
import { diffInputs } from "./diff.js";
import { collectArchive, collectAssets } from "./files.js";
import { commandFailed, inputNames, logsOf, type CommandState, type PlainInputs } from "./inputs.js";
import { runCommand } from "./run.js";

const token = "command:local:Command";
const runToken = "command:local:run";

/**
 * The command provider. The genuine one is not bridged from Terraform but made with pulumi-go-provider: it accepts
 * secrets and unknown values, has no autonames and no `__defaults`, compares inputs with inputs, reads nothing back,
 * and a failed operation leaves the state as it was.
 */
export function commandProvider(): Handlers {
  const refuse = (type: string) => {
    if (type !== token) throw new Error(notImplemented("command", `resource type ${type}`));
  };

  return {
    name: "command",
    version: sdk.version,
    flags: { acceptSecrets: true, acceptResources: true, acceptOutputs: true, autonaming: false },
    decode: { secrets: "keep" },
    cancelAborts: true,
    checkConfig: (news) => ({ inputs: news, failures: [] }),
    configure: () => Promise.resolve(),
    check(op, news) {
      refuse(op.type);
      return { inputs: news, failures: checkInputs(news) };
    },
    diff(op, { state, oldInputs, news, ignoreChanges }) {
      refuse(op.type);
      return diffInputs(oldInputs, withIgnored(news, state, ignoreChanges));
    },
    async create(op, inputs, preview) {
      refuse(op.type);
      // The genuine provider generates the id before it runs anything, even in previews.
      const id = op.name + randomBytes(4).toString("hex");
      if (preview) return { id, state: { ...inputs, stdout: Unknown.value, stderr: Unknown.value } };
      const plain = withoutSecrets(inputs) as PlainInputs;
      const outputs = await execute(plain.create, { ...plain, stdout: "", stderr: "" }, op);
      return { id, state: { ...inputs, ...outputs } };
    },
    read(op, id, state, inputs) {
      refuse(op.type);
      return Promise.resolve({ id, state, inputs });
    },
    async update(op, { state, news, ignoreChanges, preview }) {
      refuse(op.type);
      const inputs = withIgnored(news, state, ignoreChanges);
      const outputs = outputsOf(withoutSecrets(state));
      if (preview) {
        const rerun = inputNames.some((name) => inputs[name] instanceof Unknown || differs(state[name], inputs[name]));
        const shown = Object.entries(outputs).map(([name, value]) => [name, rerun ? Unknown.value : value]);
        return { ...inputs, ...(Object.fromEntries(shown) as Properties) };
      }
      const plain = withoutSecrets(inputs) as PlainInputs;
      return { ...inputs, ...(await execute(plain.update ?? plain.create, { ...plain, ...outputs }, op)) };
    },
    async delete(op, _id, state) {
      refuse(op.type);
      const plain = withoutSecrets(state) as CommandState;
      await execute(plain.delete, plain, op);
    },
    async invoke(name, args, context) {
      if (name !== runToken) throw new Error(notImplemented("command", `function ${name}`));
      const { command, ...base } = args;
      const [failure] = checkInputs(base);
      if (failure !== undefined) throw new Error(failure.reason);
      if (typeof command !== "string") throw new Error("command must be a string");
      const plain = base as PlainInputs;
      return { ...args, ...(await execute(command, { ...plain, stdout: "", stderr: "" }, context)) };
    },
    close: () => Promise.resolve(),
  };
}

/** What is kept of a run; files only if the inputs ask for them. */
type Outputs = Required<Pick<CommandState, "stdout" | "stderr">> & Pick<CommandState, "assets" | "archive">;

function outputsOf({ stdout = "", stderr = "", assets, archive }: CommandState): Outputs {
  return { stdout, stderr, ...(assets ? { assets } : {}), ...(archive ? { archive } : {}) };
}

/** Runs one of the resource's commands; without a command the outputs stay as they were. */
async function execute(
  command: string | undefined,
  state: CommandState,
  op: Pick<Parameters<Handlers["create"]>[0], "log" | "signal">,
): Promise<Outputs> {
  const previous = outputsOf(state);
  if (command === undefined) return previous;
  const logged = logsOf(state.logging);
  const result = await runCommand({
    command,
    interpreter: state.interpreter ?? [],
    dir: state.dir,
    environment: {
      ...state.environment,
      ...((state.addPreviousOutputInEnv ?? true) && previous.stdout !== ""
        ? { PULUMI_COMMAND_STDOUT: previous.stdout }
        : {}),
      ...((state.addPreviousOutputInEnv ?? true) && previous.stderr !== ""
        ? { PULUMI_COMMAND_STDERR: previous.stderr }
        : {}),
    },
    stdin: state.stdin ?? "",
    signal: op.signal,
    onLine: (stream, line) => {
      if (logged[stream]) op.log.status(line);
    },
  });
  if (result.failure !== undefined) throw commandFailed(result.failure, command, result.both);
  const directory = state.dir ?? process.cwd();
  return {
    ...previous,
    ...(state.assetPaths ? { assets: await collectAssets(directory, state.assetPaths) } : {}),
    ...(state.archivePaths ? { archive: await collectArchive(directory, state.archivePaths) } : {}),
    stdout: withoutLastNewline(result.stdout),
    stderr: withoutLastNewline(result.stderr),
  };
}

function withoutLastNewline(text: string): string {
  return text.endsWith("\n") ? text.slice(0, -1) : text;
}

/**
 * An input that the state has never had does not count, as in the genuine provider, which therefore shows stale outputs
 * in a preview.
 */
function differs(state: unknown, input: unknown): boolean {
  return state !== undefined && state !== null && !deepEqual(state, input);
}

/** Top-level names only, as in the genuine provider; the engine has dealt with paths by then. */
function withIgnored(news: Properties, state: Properties, ignoreChanges: readonly string[]): Properties {
  const kept = ignoreChanges.filter((name) => state[name] !== undefined);
  return { ...news, ...Object.fromEntries(kept.map((name): [string, unknown] => [name, state[name]])) };
}

type Kind = "a string" | "a boolean" | "a list" | "a list of strings" | "a map of strings";
const kinds: Readonly<Record<(typeof inputNames)[number], Kind>> = {
  create: "a string",
  update: "a string",
  delete: "a string",
  triggers: "a list",
  stdin: "a string",
  logging: "a string",
  interpreter: "a list of strings",
  dir: "a string",
  environment: "a map of strings",
  assetPaths: "a list of strings",
  archivePaths: "a list of strings",
  addPreviousOutputInEnv: "a boolean",
};

function checkInputs(news: Properties): Failure[] {
  const failures: Failure[] = [];
  for (const [name, value] of Object.entries(news)) {
    if (!(name in kinds)) {
      failures.push({ property: name, reason: notImplemented(token, `input ${name}`) });
      continue;
    }
    const kind = kinds[name as keyof typeof kinds];
    if (!isOfKind(kind, value)) failures.push({ property: name, reason: `${name} must be ${kind}` });
  }
  return failures;
}

function isOfKind(kind: Kind, value: unknown): boolean {
  if (value instanceof Unknown) return true;
  if (value instanceof Secret) return isOfKind(kind, value.value);
  switch (kind) {
    case "a string":
      return typeof value === "string";
    case "a boolean":
      return typeof value === "boolean";
    case "a list":
      return Array.isArray(value);
    case "a list of strings":
      return Array.isArray(value) && value.every((element) => isOfKind("a string", element));
    case "a map of strings":
      return (
        typeof value === "object" &&
        value !== null &&
        !Array.isArray(value) &&
        Object.values(value).every((element) => isOfKind("a string", element))
      );
  }
}
