import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../offline/lib/user-error.js";
import { keepName } from "../../src/name.js";
import type { Settings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("SANDBOX_NAME", () => {
  let directory: string;
  let state: State;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sandbox-name-"));
    state = new State({ stateDir: directory } as Settings);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("is given by the first up and kept by the work tree", () => {
    keepName(state, "env", "audit-sandbox");
    keepName(state, "up", "second");
    keepName(state, "up", "second");
  });

  it("cannot be changed while the work tree has a sandbox of another name", () => {
    keepName(state, "up", "second");
    assert.throws(
      () => keepName(state, "env", "audit-sandbox"),
      (error) =>
        error instanceof UserError && error.message.includes("run `SANDBOX_NAME=second make down DATA=delete` first"),
    );
    keepName(state, "up", "second");
  });
});
