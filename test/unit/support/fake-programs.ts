import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/** Puts a shell program of this name into a directory, which then goes to the front of PATH. */
export function fakeProgram(directory: string, name: string, text: string): void {
  writeFileSync(join(directory, name), `#!/bin/sh\n${text}\n`);
  chmodSync(join(directory, name), 0o755);
}

/** A `sleep` that returns at once, and a `date` that advances half a second with each call. */
export function fakeClock(directory: string): void {
  const clock = join(directory, "clock");
  fakeProgram(directory, "sleep", "");
  fakeProgram(
    directory,
    "date",
    `n=$(( $(cat ${clock} 2> /dev/null || echo 0) + 1 )); echo $n > ${clock}; echo $(( n / 2 ))`,
  );
}
