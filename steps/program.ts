/** What the programs of a deploy share. */
import { setting } from "../lib/vault/client";

/** A setting that comes from the component that runs the program. */
export function componentSetting(name: string): string {
  return setting(name, "this program is run by a component of the stack");
}

/** Runs a program and reports a failure in one line. */
export function runAsCommand(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  });
}
