import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { removeScript } from "../../../../components/vm/orphans";
import { fakeProgram } from "../../support/fake-programs";

const CONTAINER = "docker:index/container:Container";

describe("removing an orphan", () => {
  /** Runs the script with a fake `docker` that knows one thing, or nothing, and records commands. */
  function execute(script: string, there: string | undefined, says = "Error: No such container: x") {
    const directory = mkdtempSync(join(tmpdir(), "orphans-"));
    const log = join(directory, "log");
    fakeProgram(
      directory,
      "docker",
      `case "$2" in inspect) [ "$1 $3" = "${there ?? ""}" ] || { echo "${says}" >&2; exit 1; } ;; *) echo "$*" >> ${log} ;; esac`,
    );
    const { status } = spawnSync("sh", ["-c", script], {
      env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}` },
    });
    const done = existsSync(log) ? readFileSync(log, "utf8").trim() : "";
    rmSync(directory, { recursive: true });
    return { status, done };
  }

  it("removes whatever has the name, and nothing if the name is free", () => {
    const script = removeScript(CONTAINER, "audit-svc-green-1") ?? "";
    assert.deepEqual(execute(script, "container audit-svc-green-1"), {
      status: 0,
      done: "container rm --force --volumes audit-svc-green-1",
    });
    assert.deepEqual(execute(script, undefined), { status: 0, done: "" });
    assert.deepEqual(execute(script, undefined, "Error response from daemon: network x not found").status, 0);
  });

  it("fails when Docker does not answer, instead of taking the name for free", () => {
    const script = removeScript(CONTAINER, "audit-svc-green-1") ?? "";
    const away = "Cannot connect to the Docker daemon";
    assert.deepEqual(execute(script, undefined, away), { status: 1, done: "" });
  });

  it("removes a network only when nobody uses it: Docker itself refuses otherwise", () => {
    const script = removeScript("docker:index/network:Network", "audit-front") ?? "";
    assert.equal(execute(script, "network audit-front").done, "network rm audit-front");
  });

  it("leaves alone whatever has no fixed name, and every other type: a volume holds data", () => {
    assert.equal(removeScript(CONTAINER, undefined), undefined);
    assert.equal(removeScript("docker:index/volume:Volume", "audit-svc-release"), undefined);
  });
});
