import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerHost, Networks, type Recreated } from "../../components";
import { find, run } from "./support/program";
import { fakeProgram } from "./support/fake-programs";

describe("what a host has lost", () => {
  let directory: string;
  let path: string | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "lost-"));
    path = process.env.PATH;
    process.env.PATH = `${directory}:${path ?? ""}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });

  /** Plays an engine that has these networks, or one that does not answer. */
  function engineHas(...names: string[] | [undefined]): void {
    const answer =
      names[0] === undefined ? "exit 1" : `[ "$1" = network ] && printf '%s\\n' ${names.join(" ")}; exit 0`;
    fakeProgram(directory, "docker", answer);
  }

  async function deploy(recreated: Recreated | undefined) {
    const { result, resources } = await run(async () => {
      const host = new DockerHost("vm", { address: "unix:///nowhere.sock", tools: "tools", recreated });
      new Networks("audit", { host, prefix: "172.29" });
      return new Promise<Recreated>((done) => host.recreated.apply(done));
    });
    const triggerOf = (name: string) => find(resources, "Network", name).replacementTrigger;
    return { recreated: result, triggerOf };
  }

  it("is made anew once: its trigger changes when it is gone, and stays when it is back", async () => {
    engineHas("audit-front", "audit-egress", "audit-edge");
    const lost = await deploy({});
    assert.equal(lost.triggerOf("audit-admin"), 1);
    assert.equal(lost.triggerOf("audit-front"), 0);
    assert.deepEqual(lost.recreated, { "audit-admin": 1 });

    engineHas("audit-front", "audit-egress", "audit-edge", "audit-admin");
    const found = await deploy(lost.recreated);
    assert.equal(found.triggerOf("audit-admin"), 1);
    assert.deepEqual(found.recreated, { "audit-admin": 1 });

    engineHas("audit-front", "audit-egress", "audit-edge");
    assert.equal((await deploy(found.recreated)).triggerOf("audit-admin"), 2);
  });

  it("is nothing when the host's answer does not come in whole", async () => {
    engineHas("audit-front");
    // The shell of the host is gone after the first names.
    fakeProgram(directory, "docker", '[ "$1" = network ] && { echo audit-front; kill -9 $PPID; }; exit 0');
    assert.deepEqual((await deploy({})).recreated, {});
    // Or it says that all is well, and the end is missing.
    fakeProgram(directory, "docker", '[ "$1" = network ] && printf audit-front; exit 0');
    assert.deepEqual((await deploy({})).recreated, {});
  });

  it("is nothing before a deploy has come to its end, and nothing when the host does not answer", async () => {
    engineHas("something-else");
    assert.deepEqual((await deploy(undefined)).recreated, {});
    engineHas(undefined);
    const { triggerOf, recreated } = await deploy({ "audit-front": 2 });
    assert.equal(triggerOf("audit-front"), 2);
    assert.equal(triggerOf("audit-admin"), 0);
    assert.deepEqual(recreated, { "audit-front": 2 });
  });
});
