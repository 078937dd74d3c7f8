import { UserError } from "./errors.js";
import { generateCommand } from "./generate.js";
import { healthCommand } from "./health.js";
import { proofCommand, verifyCommand, witnessCommand } from "./log/command.js";
import { printable } from "./log/printable.js";
import { migrateCommand } from "./migrate.js";
import { serve } from "./server.js";
import { VERSION } from "./version.js";

const USAGE = `audit-svc ${VERSION}
  serve                 run the service (the default)
  migrate [--check]     prepare the database; --check only says what is pending (exit code 3 when something is)
  generate [options]    send realistic events; generate --help lists the options
  verify [options]      verify every event against the log; verify --help lists the options
  witness [options]     verify that the log extends an earlier checkpoint, and keep the newest; witness --help
  proof [options]       check the proof of one event, without the service; proof --help
  health [--live]       exit 0 when the service here is ready (--live: when it answers at all)
Settings: AUDIT_CONFIG_FILE, AUDIT_LISTEN, AUDIT_ADMIN_LISTEN, AUDIT_RELEASE, AUDIT_LOG_LEVEL, AUDIT_WATCH_SECONDS, AUDIT_GRACE_SECONDS; see CONTRACT.md.
`;

async function run([command = "serve", ...args]: string[]): Promise<number> {
  if (command !== "serve") {
    // PID 1 of a container has no default action for signals.
    for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => process.exit(130));
  }
  switch (command) {
    case "serve":
      return serve();
    case "migrate":
      return migrateCommand(args);
    case "generate":
      return generateCommand(args);
    case "verify":
      return couldNotCheck(verifyCommand(args));
    case "witness":
      return couldNotCheck(witnessCommand(args));
    case "proof":
      return couldNotCheck(proofCommand(args));
    case "health":
      return healthCommand(args);
    case "help":
    case "--help":
    case "--version":
      process.stdout.write(USAGE);
      return 0;
    default:
      throw new UserError(`unknown command "${command}".\n${USAGE}`);
  }
}

/** Exit code 1 of these commands says that something was tampered with; an error of the program must not. */
function couldNotCheck(command: Promise<number>): Promise<number> {
  return command.catch((error: unknown) => {
    if (error instanceof UserError) throw error;
    console.error(error);
    return 2;
  });
}

run(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    if (error instanceof UserError) process.stderr.write(`audit-svc: ${printable(error.message)}\n`);
    else console.error(error);
    process.exit(error instanceof UserError ? 2 : 1);
  },
);
