import { readFileSync } from "node:fs";
import { join } from "node:path";
import yargs, { type Argv } from "yargs";
import type { AnyCommand, Common, Context } from "./command";
import { COMMANDS } from "./commands";
import { wrongProxy } from "../lib/proxy";
import { CommandError, EXIT, isOfUser, messageOf } from "./errors";
import type { Interrupts } from "./interrupts";
import { Output, type Streams } from "./output";
import type { Env } from "./project";
import type { World } from "./world";

export interface Caller {
  readonly argv: readonly string[];
  readonly env: Env;
  readonly cwd: string;
  readonly streams: Streams;
  readonly interrupts: Interrupts;
}

/** Runs one command line. @returns the exit code; every error has been shown */
export async function runCli(caller: Caller, commands: readonly AnyCommand[] = COMMANDS): Promise<number> {
  const { argv, env, streams, interrupts } = caller;
  let code: number | undefined;
  const parser = commands.reduce(
    (all, command) =>
      all.command(
        command.usage,
        command.about,
        (own) => withExamples(command.options(own), command),
        async (args) => {
          code = await command.run(args, contextOf(caller, args));
        },
      ),
    parserFor(env),
  );
  try {
    const wrong = wrongProxy(env);
    if (wrong !== undefined) throw new CommandError(wrong);
    // With a function, yargs hands over what it would print: help, version, completion.
    await parser.parseAsync([...argv], {}, (_, __, text) => {
      if (text !== "") streams.out(`${text}\n`);
    });
    return code ?? EXIT.ok;
  } catch (error) {
    if (interrupts.signal.aborted) return EXIT.interrupted;
    return report(error, new Output(streams, argv.includes("--json"), env));
  }
}

function parserFor(env: Env): Argv<Common> {
  return (
    yargs()
      .scriptName("audit")
      .locale("en")
      .usage(
        "$0 <command>\n\nOperates the audit service on a VM or a cluster; `audit <command> --help` has its options and examples.",
      )
      .option("stack", {
        ...{ type: "string", requiresArg: true },
        describe: "the stack; default: PULUMI_STACK, AUDIT_STACK, vm2",
      } as const)
      .option("json", { type: "boolean", default: false, describe: "the answer as JSON, for programs" } as const)
      .completion("completion", "prints a script for the shell's completion: source <(audit completion)")
      .epilogue("Exit codes: 0 done; 1 it failed, or found what it looks for; 2 the command line is wrong; 130 Ctrl-C.")
      .demandCommand(1, "Name a command.")
      .recommendCommands()
      .strict()
      .wrap(Number(env.COLUMNS ?? "") || 100)
      .version(ownVersion())
      .help()
      // Arguments after -- are another program's.
      .parserConfiguration({ "populate--": true })
      .fail((message: string | null, error: Error | undefined) => {
        if (error !== undefined && error.name !== "YError") throw error;
        throw new CommandError(inWords(message ?? error?.message), EXIT.usage);
      })
  );
}

/** The version in package.json, which lies at the same place in the repository and in the package. */
const ownVersion = (): string =>
  (JSON.parse(readFileSync(join(__dirname, "../package.json"), "utf8")) as { version: string }).version;

/** What yargs says of a value that is none of the choices is a table of its own words. */
const inWords = (said = "The command line is wrong."): string =>
  said
    .replace(/^Invalid values:\n/, "")
    .replace(/^ *Argument: (\S+), Given: (.*), Choices: (.*)$/gm, "$1 cannot be $2; it is one of $3");

const withExamples = <T>(parser: Argv<T>, { examples }: AnyCommand): Argv<T> =>
  examples.reduce((all, [line, purpose]) => all.example(line, purpose), parser);

function contextOf({ env, cwd, streams, interrupts }: Caller, { json, stack }: Common): Context {
  let world: Promise<World> | undefined;
  return {
    ...{ output: new Output(streams, json, env), env, cwd, interrupts },
    world: (options) =>
      (world ??= import("./world.js").then(({ openWorld }) => openWorld({ env, cwd, stack }, options))),
  };
}

/** Shows an error: what a user can put right in its own words, anything else with the trace that a report needs. */
function report(error: unknown, output: Output): number {
  const code = error instanceof CommandError ? error.exitCode : EXIT.failed;
  const known = isOfUser(error);
  const text = known ? error.message : error instanceof Error ? (error.stack ?? error.message) : messageOf(error);
  if (output.json) output.answer({ error: known ? text : messageOf(error) }, "");
  if (!output.json || !known)
    output.note(known ? `error: ${text}` : `Unexpected error; please report it with these lines:\n${text}`);
  if (code === EXIT.usage && !output.json)
    output.note("`audit --help` lists the commands, `audit <command> --help` its options.");
  return code;
}
