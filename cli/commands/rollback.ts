import { defineCommand } from "../command";

export const rollback = defineCommand<{ yes: boolean }>({
  usage: "rollback",
  about: "deploys the former release again, without a build",
  examples: [
    ["audit rollback", "shows what it would do, and asks"],
    ["audit rollback --yes", "without the question; a second time goes forward again"],
  ],
  options: (parser) => parser.option("yes", { type: "boolean", default: false, alias: "y", describe: "do not ask" }),
  run: async ({ yes }, context) => {
    const { rollBack } = await import("../deploys/rollback.js");
    return rollBack(yes, context);
  },
});
