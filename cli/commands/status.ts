import { defineCommand } from "../command";
import { usageError } from "../errors";

export const status = defineCommand<{ watch: boolean; interval: number }>({
  usage: "status",
  about: "shows what runs, since when, and whether it is well",
  examples: [
    ["audit status", "one screen; exit code 1 if something is wrong"],
    ["audit status --watch", "again every 5 seconds until Ctrl-C"],
    ["audit status --json | jq .release", "for programs"],
  ],
  options: (parser) =>
    parser
      .option("watch", { type: "boolean", default: false, alias: "w", describe: "look again and again" })
      .option("interval", { type: "number", default: 5, requiresArg: true, describe: "seconds between two looks" })
      .check(({ interval }) => {
        if (!(interval >= 1 && interval <= 86_400)) throw usageError("--interval must be 1 to 86400 seconds");
        return true;
      }),
  run: async ({ watch, interval }, context) => {
    const { showStatus } = await import("../status/show.js");
    return showStatus(context, watch ? interval : undefined);
  },
});
