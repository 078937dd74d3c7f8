import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { kubectl, KubectlMissing } from "../../../lib/kubectl";
import { fakeProgram } from "../support/fake-programs";

describe("kubectl", () => {
  let directory: string;
  const path = process.env.PATH;
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "kubectl-"));
    process.env.PATH = `${directory}:${path ?? ""}`;
  });
  after(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });
  const ask = (args: readonly string[], input?: string) => kubectl("production", args, input);

  it("is asked with the context, and given what it reads", async () => {
    fakeProgram(directory, "kubectl", 'echo "$*"; cat');
    assert.equal(
      await ask(["create", "--filename", "-"], "text"),
      "--context production create --filename - --request-timeout 10s\ntext",
    );
  });

  it("says the last line of what went wrong, and goes on where nobody reads", async () => {
    fakeProgram(directory, "kubectl", 'exec 0<&-; echo "E1 noise" >&2; echo "error: refused" >&2; exit 1');
    await assert.rejects(ask(["version"], "x".repeat(1_000_000)), { message: "error: refused" });
  });

  it("says that it is not there", async () => {
    process.env.PATH = join(directory, "nothing");
    await assert.rejects(ask(["version"]), (error: Error) => {
      assert.ok(error instanceof KubectlMissing);
      assert.match(error.message, /^kubectl is not installed on this machine; install it /);
      return true;
    });
    process.env.PATH = `${directory}:${path ?? ""}`;
  });
});
