import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock } from "./fake-programs";
import { runScript } from "./host-script";

/** For a suite: a new directory with a clock for each test, and the scripts of components/kubernetes run in it. */
export function clusterScripts() {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cluster-"));
    fakeClock(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  return {
    directory: () => directory,
    /** A file in it. */
    at: (name: string) => join(directory, name),
    script: (name: string, args: readonly (string | number)[], environment: Record<string, string> = {}, input = "") =>
      runScript(`../kubernetes/scripts/${name}`, args, { directory, environment, input }),
  };
}
