import { defineCommand } from "../command";
import { usageError } from "../errors";
import type { LogsOptions } from "../logs/source";
import { isTime } from "../time";

const PARTS = ["service", "edge", "agent", "migrate"] as const;

export const logs = defineCommand<LogsOptions>({
  usage: "logs [part]",
  about: "shows the logs of all replicas, merged by time",
  examples: [
    ["audit logs", "the replicas' last lines"],
    ["audit logs edge -f", "Nginx's access log as it grows"],
    ["audit logs --request 6393c26e5a873ced73014dccb9adcd71", "one request, at the edge and in the service"],
    ["audit logs --since 15m --json | jq 'select(.entry.level == \"error\")'", "errors of a quarter of an hour"],
    ["audit logs migrate", "what the last deploy's migration printed"],
  ],
  options: (parser) =>
    parser
      .positional("part", { choices: PARTS, describe: "default: service; with --request also edge" } as const)
      .option("follow", { type: "boolean", default: false, alias: "f", describe: "go on with what comes" })
      .option("since", { type: "string", requiresArg: true, describe: "a length such as 10m, or a time in RFC 3339" })
      .option("lines", {
        type: "number",
        alias: "n",
        requiresArg: true,
        describe: "the last lines of each container; default: 50, with --since all",
      })
      .option("request", {
        type: "string",
        requiresArg: true,
        describe: "only this request: `requestId` of an answer, `X-Request-Id`",
      })
      .check(({ since, lines, request, part, follow }) => {
        if (since !== undefined && !/^(\d+(\.\d+)?[smh])+$/.test(since) && !isTime(since))
          throw usageError(`--since ${since} is neither a length such as 10m nor a time such as 2026-01-31T12:00:00Z`);
        if (lines !== undefined && !(Number.isInteger(lines) && lines >= 0))
          throw usageError("--lines must be a whole number");
        if (request !== undefined && !/^[\w.-]{8,128}$/.test(request)) throw usageError(`--request ${request} is no request id`); // prettier-ignore
        if (part === "migrate" && (follow || request !== undefined || since !== undefined))
          throw usageError(
            "the log of a migration is over when it is shown: --follow, --since and --request do not fit",
          );
        return true;
      }),
  run: async (options, context) => {
    const { showLogs } = await import("../logs/logs.js");
    return showLogs(options, context);
  },
});
