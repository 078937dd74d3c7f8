import { defineCommand } from "../command";
import { usageError } from "../errors";
import type { QueryOptions } from "../database/psql";

export const psql = defineCommand<QueryOptions>({
  usage: "psql",
  about: "opens the service's database, read-only unless asked otherwise",
  examples: [
    ["audit psql", "psql in the service's database"],
    ["audit psql -c 'SELECT count(*) FROM audit.events'", "one statement, without psql"],
    ["audit psql -c 'SELECT * FROM audit.schema_migrations' --json", "rows as JSON"],
    ["audit psql --write", "as the database's owner: for repairs"],
  ],
  options: (parser) =>
    parser
      .option("statement", {
        type: "string",
        alias: "c",
        requiresArg: true,
        describe: "one SQL statement instead of psql",
      })
      .option("write", { type: "boolean", default: false, describe: "allow changes, as the database's owner" })
      .check(({ json, statement }) => {
        if (json && statement === undefined) throw usageError("--json goes with -c");
        return true;
      }),
  run: async (options, context) => {
    const { openDatabase } = await import("../database/psql.js");
    return openDatabase(options, context);
  },
});
