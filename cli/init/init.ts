import { existsSync } from "node:fs";
import { relative } from "node:path";
import { KEYS } from "../../config/keys";
import { nameArguments } from "../../lib/argument-names";
import type { Context } from "../command";
import { CommandError, EXIT, isPromptExit } from "../errors";
import { findProject, settingsInFile, type Project } from "../project";
import { atTerminal, fromFile, type Given } from "./ask";
import { filesOf } from "./files";
import { realProbes, type Probes } from "./probes";
import type { Answers } from "./question";
import { answersIn } from "./stack-file";
import { planWrites, writeFiles, type Planned } from "./write";

export interface InitOptions {
  readonly stack: string | undefined;
  readonly answers: string | undefined;
  /** Also files that are there and differ. */
  readonly write: boolean;
}

/** @returns the exit code */
export async function runInit(
  options: InitOptions,
  context: Context,
  probes: Probes = realProbes(context.env),
): Promise<number> {
  const { output, env, cwd } = context;
  const project = findProject(cwd, env, options.stack);
  nameArguments(KEYS);
  output.note(`Stack ${project.stack}, in ${relative(project.directory, project.file)}`);
  const before = { ...answersBefore(project), registryPassword: env.AUDIT_REGISTRY_PASSWORD ?? "" };
  const given = await ask(options, context, probes, before);
  if (given === undefined) return EXIT.interrupted;
  const planned = planWrites(filesOf(given.answers, project), project.directory);
  const left = planned.filter((file) => file.state === "differs" && !options.write);
  // What the administrators get must not contradict the stack's file.
  const none = left.some(({ path }) => path === project.file);
  const mayWrite = planned.filter(({ state }) => !none && (state === "new" || (state === "differs" && options.write)));
  writeFiles(mayWrite);
  const written = (file: Planned): boolean => mayWrite.includes(file);
  output.answer(
    {
      doubts: given.doubts,
      files: planned.map((file) => {
        const { path, who, state, diff } = file;
        return { path, who, state, written: written(file), diff };
      }),
    },
    [...planned.flatMap((file) => lineOf(file, project, written(file))), ...nextSteps(given, left.length, none)].join(
      "\n",
    ),
  );
  return left.length > 0 ? EXIT.failed : EXIT.ok;
}

async function ask(
  options: InitOptions,
  { output }: Context,
  probes: Probes,
  before: Answers,
): Promise<Given | undefined> {
  if (options.answers !== undefined) return fromFile(options.answers, probes, before);
  if (!output.live || !process.stdin.isTTY)
    throw new CommandError("there is no terminal to ask at; give the answers by --answers FILE", EXIT.usage);
  output.note("An empty answer takes what stands in brackets. Nothing is written before the last one; Ctrl-C ends it.");
  try {
    return await atTerminal(probes, before);
  } catch (error) {
    if (!isPromptExit(error)) throw error;
    output.note("\nNothing was written.");
    return undefined;
  }
}

/** @throws CommandError if the stack's file is there and cannot be read: what it has would be lost */
const answersBefore = (project: Project): Answers =>
  existsSync(project.file) ? answersIn(settingsInFile(project).texts) : {};

/** What became of a file. */
const WORDS = {
  new: { yes: "written", no: "not written" },
  differs: { yes: "written over", no: "differs, left as it is" },
  same: { yes: "as it was", no: "as it was" },
} as const;

function lineOf({ path, who, state, diff }: Planned, { directory }: Project, written: boolean): string[] {
  const word = WORDS[state][written ? "yes" : "no"];
  return [`${relative(directory, path)}: ${word}`, `  ${who}`, ...(diff === "" ? [] : [diff.trimEnd()])];
}

function nextSteps({ doubts }: Given, left: number, none: boolean): string[] {
  return [
    ...(doubts.length === 0 ? [] : ["", "Doubtful, and taken all the same:", ...doubts.map((line) => `  - ${line}`)]),
    "",
    left > 0
      ? `${none ? "Nothing was written: the files for the administrators must agree with the stack's. " : ""}Run it again with --write to write over what differs.`
      : "When each has done this, `audit doctor` looks at all of it.",
  ];
}
