import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeClock, fakeProgram } from "./fake-programs";
import { runScript } from "./host-script";

/** For a suite: a new directory with a clock for each test, and the scripts of components/kubernetes run in it. */
export function clusterScripts() {
  let directory = "";
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cluster-"));
    fakeClock(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true }));
  const at = (name: string): string => join(directory, name);
  return {
    directory: () => directory,
    /** A file in it. */
    at,
    /** Has kubectl answer by what it is asked, its words joined; the first pattern that fits decides. */
    kubectl: (...answers: [pattern: string, program: string][]): void => {
      const cases = answers.map(([pattern, program]) => `*"${pattern}"*) ${program} ;;`).join(" ");
      fakeProgram(directory, "kubectl", `echo "$*" >> ${at("asked")}; case "$*" in ${cases} esac`);
    },
    /** What kubectl was asked, a line for each call. */
    asked: (): string => readFileSync(at("asked"), "utf8"),
    script: (name: string, args: readonly (string | number)[], environment: Record<string, string> = {}, input = "") =>
      runScript(`../kubernetes/scripts/${name}`, args, { directory, environment, input }),
  };
}
