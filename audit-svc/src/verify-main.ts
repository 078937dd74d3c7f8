import { UserError } from "./errors.js";
import { verifyCommand, witnessCommand } from "./log/command.js";
import { printable } from "./log/printable.js";

// The same as the service's commands `verify` and `witness`, as one file for auditors that needs nothing but Node.
const [command = "verify", ...args] = process.argv.slice(2);
const run =
  command === "witness" ? witnessCommand(args) : verifyCommand(command === "verify" ? args : [command, ...args]);

run.then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UserError) process.stderr.write(`${printable(error.message)}\n`);
    else console.error(error);
    process.exit(2);
  },
); // prettier-ignore
