import { reporters, type MochaOptions, type Runner } from "mocha";

/** For the pipeline: the results as text in the log, and as JUnit's XML for GitLab (`--reporter-option output=FILE`). */
class LogAndJUnit {
  readonly #file: reporters.XUnit;

  constructor(runner: Runner, options: MochaOptions) {
    new reporters.Spec(runner, options);
    this.#file = new reporters.XUnit(runner, options);
  }

  /** Mocha waits for it, so that the file is whole. */
  done(failures: number, ended: (failures: number) => void): void {
    this.#file.done(failures, ended);
  }
}

export = LogAndJUnit;
