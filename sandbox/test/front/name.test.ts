import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../../../offline/lib/user-error.js";
import { keepName, rememberPlace } from "../../src/name.js";
import { readSettings, rememberedPlace, type Settings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("where a sandbox is", () => {
  let directory: string;
  let state: State;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "sandbox-name-"));
    state = new State({ stateDir: directory } as Settings);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it("has a name that is given by the first up and kept by the work tree", () => {
    keepName(state, "env", "audit-sandbox");
    keepName(state, "up", "second");
    keepName(state, "up", "second");
  });

  it("has a name that cannot be changed while the work tree has a sandbox of another name", () => {
    keepName(state, "up", "second");
    assert.throws(
      () => keepName(state, "env", "audit-sandbox"),
      (error) =>
        error instanceof UserError && error.message.includes("run `SANDBOX_NAME=second make down DATA=delete` first"),
    );
    keepName(state, "up", "second");
  });

  it("is remembered, with name, ports and network, for a shell that does not say them", () => {
    const given = readSettings({ SANDBOX_PORT_BASE: "28000", SANDBOX_SUBNET: "10.9.8" });
    keepName(state, "up", "second");
    assert.deepEqual(rememberedPlace(directory), { name: "second", portBase: undefined, subnet: undefined });
    rememberPlace(state, given, "second");
    keepName(state, "up", "second");
    assert.deepEqual(readSettings({}, rememberedPlace(directory)), given);
    const moved = readSettings({ SANDBOX_PORT_BASE: "30000" }, rememberedPlace(directory));
    assert.equal(moved.ports.edge, 30_080);
    assert.equal(moved.subnetPrefix, "10.9.8");
  });
});
