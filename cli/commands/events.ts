import { defineCommand } from "../command";
import { usageError } from "../errors";
import type { EventsOptions } from "../events/events";

const time = "RFC 3339, for example 2026-01-31T12:00:00Z";

export const events = defineCommand<EventsOptions>({
  usage: "events <action>",
  about: "reads events, the newest or by what they say, with the token `reader` from Vault",
  examples: [
    ["audit events tail", "the newest 20, the last one below"],
    ["audit events tail -f --application billing", "go on with what comes"],
    ["audit events find --actor alice --outcome denied --from 2026-01-01T00:00:00Z", "by filters, all of them"],
    ["audit events find --what login -n 1000 --json", "a JSON object a line"],
  ],
  options: (parser) =>
    parser
      .positional("action", { choices: ["tail", "find"], demandOption: true, describe: "tail or find" } as const)
      .option("follow", { type: "boolean", default: false, alias: "f", describe: "with tail: go on with what comes" })
      .option("number", { type: "number", default: 20, alias: "n", requiresArg: true, describe: "at most so many" })
      .option("application", { type: "string", requiresArg: true, describe: "of this application alone" })
      .option("actor", { type: "string", requiresArg: true, describe: "who did it" })
      .option("what", { type: "string", requiresArg: true, describe: "the event's action" })
      .option("outcome", { choices: ["success", "failure", "denied", "error"], describe: "how it ended" } as const)
      .option("from", { type: "string", requiresArg: true, describe: `this time or later; ${time}` })
      .option("to", { type: "string", requiresArg: true, describe: `before this time; ${time}` })
      .check(({ action, follow, number, from, to }) => {
        if (!(Number.isInteger(number) && number > 0)) throw usageError("--number must be a whole number above 0");
        if (follow && action === "find") throw usageError("--follow goes with tail");
        for (const [name, value] of Object.entries({ from, to }))
          if (value !== undefined && Number.isNaN(Date.parse(value))) throw usageError(`--${name} ${value} is no time; write it as ${time}`); // prettier-ignore
        return true;
      }),
  run: async (options, context) => {
    const { showEvents } = await import("../events/events.js");
    return showEvents(options, context);
  },
});
