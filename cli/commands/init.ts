import { defineCommand } from "../command";
import { EXIT } from "../errors";

export const init = defineCommand<{ answers: string | undefined; write: boolean; questions: boolean }>({
  usage: "init",
  about: "asks what differs from one world to another, and writes the files of a stack",
  examples: [
    ["audit init", "asks, and tries each answer while it is given"],
    ["audit init --answers answers.yaml --stack vm3", "for scripts, and for another stack"],
    ["audit init --answers answers.yaml --write", "writes also over files that differ"],
    ["audit init --stack cluster --write", "of a stack on a cluster, over the example file"],
  ],
  options: (parser) =>
    parser
      .option("answers", {
        ...{ type: "string", requiresArg: true },
        describe: "a YAML or JSON file with the answers by their keys, instead of asking",
      } as const)
      .option("write", { type: "boolean", default: false, describe: "write also over files that differ" } as const)
      .option("questions", {
        type: "boolean",
        default: false,
        describe: "only list the questions and their keys",
      } as const),
  run: async ({ answers, write, questions, stack }, context) => {
    if (questions) {
      const { QUESTIONS } = await import("../init/questions.js");
      context.output.answer(
        QUESTIONS.map(({ key, ask, choices }) => ({ key, ask, choices: choices?.map(([value]) => value) })),
        QUESTIONS.map(
          ({ key, ask, choices = [] }) =>
            `${key}: ${ask}${choices.map(([value, meaning]) => `\n  ${value}: ${meaning}`).join("")}`,
        ).join("\n"),
      );
      return EXIT.ok;
    }
    const { runInit } = await import("../init/init.js");
    return runInit({ stack, answers, write }, context);
  },
});
