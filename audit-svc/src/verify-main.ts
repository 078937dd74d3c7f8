import { UserError } from "./errors.js";
import { proofCommand, verifyCommand, witnessCommand } from "./log/command.js";
import { printable } from "./log/printable.js";

// The service's commands `verify`, `witness` and `proof`, as one file for auditors that needs nothing but Node. An
// option first means `verify`, and so does nothing at all, which shows the usage.
const COMMANDS = { verify: verifyCommand, witness: witnessCommand, proof: proofCommand } as const;
const [first = "--help", ...rest] = process.argv.slice(2);
const isCommand = (word: string): word is keyof typeof COMMANDS => Object.hasOwn(COMMANDS, word);
const run = isCommand(first) ? COMMANDS[first](rest) : verifyCommand([first, ...rest]);

run.then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UserError) process.stderr.write(`${printable(error.message)}\n`);
    else console.error(error);
    process.exit(2);
  },
); // prettier-ignore
