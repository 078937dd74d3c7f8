/** What the programs of a deploy share. */
import { setting } from "../lib/vault/client";

/** A setting that the component which runs the program gives it. */
export function componentSetting(name: string): string {
  return setting(name, "this program is run by a component of the stack");
}

/** Runs a program to its end; what goes wrong is said in one line. */
export function runAsCommand(main: () => Promise<void>): void {
  main().catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  });
}
