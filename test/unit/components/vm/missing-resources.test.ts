import * as docker from "@pulumi/docker";
import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DockerHost, Networks, type Recreated } from "../../../../components";
import { find, run } from "../../support/program";
import { fakeProgram } from "../../support/fake-programs";

const NETWORKS = ["audit-front", "audit-admin", "audit-egress", "audit-edge"];

describe("missing resources of a host", () => {
  let directory: string;
  let path: string | undefined;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "missing-"));
    path = process.env.PATH;
    process.env.PATH = `${directory}:${path ?? ""}`;
  });
  afterEach(() => {
    process.env.PATH = path;
    rmSync(directory, { recursive: true });
  });

  /**
   * Plays an engine with these networks and containers. A container is `NAME=STATUS`, as `docker container ls --filter status=`
   * has it.
   */
  function engineHas(networks: readonly string[], containers: readonly string[] = []): void {
    fakeProgram(
      directory,
      "docker",
      `kind=$1; statuses=; all=; format=
while [ $# -gt 0 ]; do case "$1" in
  --all) all=yes ;;
  --filter) shift; statuses="$statuses \${1#status=} " ;;
  --format) shift; format=$1 ;;
esac; shift; done
show() { echo "\${format%%\\{*}$1"; }
if [ "$kind" = network ]; then for n in ${networks.join(" ")}; do show "$n"; done; exit 0; fi
for c in ${containers.join(" ")}; do case "$statuses" in *" \${c#*=} "*) show "\${c%=*}" ;; esac; done`,
    );
  }

  /** As a run that has Networks, a container `web` that always runs, and a script that starts `replica`. */
  async function deploy(recreated: Recreated | undefined, preview = false) {
    const { result, resources } = await run(
      async () => {
        const host = new DockerHost("vm", { address: "unix:///nowhere.sock", tools: "tools", recreated });
        new Networks("audit", { host, range: "172.29" });
        new docker.Container("web", { image: "i" }, host.named("web"));
        new docker.Container("replica", { image: "i" }, host.named("replica", "there"));
        new docker.Container("idle", { image: "i" }, host.named("idle", "nothing"));
        const replacementTrigger = host.starting("start", ["replica"]);
        host.script("start", { script: "docker start replica" }, { parent: host, replacementTrigger });
        return new Promise<Recreated>((done) => host.recreated.apply(done));
      },
      undefined,
      undefined,
      preview,
    );
    const triggerOf = (type: string, name: string) => find(resources, type, name).replacementTrigger;
    return { recreated: result, network: (name: string) => triggerOf("Network", name), triggerOf };
  }

  it("is recreated once: its trigger changes when it is gone, and stays when it is back", async () => {
    const running = ["web=running", "replica=running"];
    const without = NETWORKS.filter((name) => name !== "audit-admin");
    engineHas(without, running);
    const lost = await deploy({});
    assert.equal(lost.network("audit-admin"), 1);
    assert.equal(lost.network("audit-front"), 0);
    assert.deepEqual(lost.recreated, { "audit-admin": 1 });

    engineHas(NETWORKS, running);
    const found = await deploy(lost.recreated);
    assert.equal(found.network("audit-admin"), 1);
    assert.deepEqual(found.recreated, { "audit-admin": 1 });

    engineHas(without, running);
    assert.equal((await deploy(found.recreated)).network("audit-admin"), 2);
  });

  for (const status of ["exited", "created", "paused", "restarting", "dead", "removing"]) {
    it(`is a container that should run and is ${status}`, async () => {
      engineHas(NETWORKS, [`web=${status}`, "replica=running"]);
      assert.deepEqual((await deploy({})).recreated, { web: 1 });
    });
  }

  for (const status of ["exited", "created", "paused", "restarting"]) {
    it(`is started, not recreated, if it is ${status} and a script starts it`, async () => {
      engineHas(NETWORKS, ["web=running", `replica=${status}`]);
      const { recreated, triggerOf } = await deploy({});
      assert.deepEqual(recreated, { start: 1 });
      assert.equal(triggerOf("Command", "start"), 1);
      assert.equal(triggerOf("Container", "replica"), 0);
    });
  }

  it("is recreated and started if it cannot be started again, or is gone", async () => {
    for (const replica of [[], ["replica=dead"]]) {
      engineHas(NETWORKS, ["web=running", ...replica]);
      assert.deepEqual((await deploy({})).recreated, { replica: 1, start: 1 });
    }
  });

  it("is nothing that is stopped on purpose", async () => {
    engineHas(NETWORKS, ["web=running", "replica=running", "idle=exited"]);
    assert.deepEqual((await deploy({})).recreated, {});
  });

  it("is shown by a preview, too", async () => {
    engineHas(NETWORKS, ["web=exited", "replica=exited"]);
    const { recreated, triggerOf } = await deploy({ web: 3 }, true);
    assert.equal(triggerOf("Container", "web"), 4);
    assert.equal(triggerOf("Command", "start"), 1);
    assert.deepEqual(recreated, { start: 1, web: 4 });
  });

  for (const preview of [false, true]) {
    const kind = preview ? "a preview" : "an up";
    it(`is nothing when the host's answer is incomplete (${kind})`, async () => {
      // The shell of the host is gone after the first names.
      fakeProgram(directory, "docker", '[ "$1" = network ] && { echo there audit-front; kill -9 $PPID; }; exit 0');
      assert.deepEqual((await deploy({}, preview)).recreated, {});
      // Or it reports success, but the end is missing.
      fakeProgram(directory, "docker", '[ "$1" = network ] && printf "there audit-front"; exit 0');
      assert.deepEqual((await deploy({}, preview)).recreated, {});
    });

    it(`is nothing before a deploy has completed, and nothing when the host does not answer (${kind})`, async () => {
      engineHas(["something-else"]);
      assert.deepEqual((await deploy(undefined, preview)).recreated, {});
      fakeProgram(directory, "docker", "exit 1");
      const { network, recreated } = await deploy({ "audit-front": 2 }, preview);
      assert.equal(network("audit-front"), 2);
      assert.equal(network("audit-admin"), 0);
      assert.deepEqual(recreated, { "audit-front": 2 });
    });
  }
});
