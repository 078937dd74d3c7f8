import { defineCommand } from "../command";
import { usageError } from "../errors";

export const history = defineCommand<{ number: number }>({
  usage: "history",
  about: "shows what was deployed, when, by whom, and how it went",
  examples: [
    ["audit history", "the last ten deploys"],
    ["audit history -n 50 --json | jq '.updates[] | select(.result != \"succeeded\")'", "those that failed"],
  ],
  options: (parser) =>
    parser
      .option("number", { type: "number", default: 10, alias: "n", requiresArg: true, describe: "how many" })
      .check(({ number }) => {
        if (!(Number.isInteger(number) && number > 0)) throw usageError("--number must be a whole number above 0");
        return true;
      }),
  run: async ({ number }, context) => {
    const { showHistory } = await import("../deploys/history.js");
    return showHistory(number, context);
  },
});
