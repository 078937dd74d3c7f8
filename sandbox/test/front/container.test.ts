import assert from "node:assert/strict";
import type Docker from "dockerode";
import { Engine } from "../../src/docker.js";
import { readSettings } from "../../src/settings.js";

/** A Docker Engine that has at most one container. */
class OneContainer {
  labels: Record<string, string> | undefined;
  state = "";
  files = 0;
  /** Fails what would copy the files, as when the run is killed just before. */
  killed = false;

  getImage = () => ({ inspect: () => Promise.resolve({ Id: "image" }) });
  listContainers = () =>
    Promise.resolve(
      this.labels ? [{ Id: "1", Names: ["/audit-sandbox-thing"], Labels: this.labels, State: this.state }] : [],
    );
  createContainer = ({ Labels }: { Labels: Record<string, string> }) => {
    Object.assign(this, { labels: Labels, state: "created", files: 0 });
    return Promise.resolve(this.getContainer());
  };
  getContainer = () => ({
    putArchive: () => (this.killed ? Promise.reject(new Error("killed")) : Promise.resolve(this.files++)),
    start: () => Promise.resolve((this.state = "running")),
    stop: () => Promise.resolve((this.state = "exited")),
    remove: () => Promise.resolve((this.labels = undefined)),
  });
}

describe("a container of the sandbox", () => {
  const spec = {
    ...{ name: "audit-sandbox-thing", image: "image", hostname: "thing.sandbox.test", address: "10.9.8.7" },
    files: [{ path: "/etc/thing", content: "x" }],
  };
  const engineOf = (docker: OneContainer): Engine => new Engine(docker as unknown as Docker, readSettings({}));

  it("is made again if an interrupted run left it without its files", async () => {
    const docker = new OneContainer();
    docker.killed = true;
    await assert.rejects(engineOf(docker).ensureContainer(spec), /killed/);
    docker.killed = false;
    assert.equal(await engineOf(docker).ensureContainer(spec), false);
    assert.deepEqual([docker.state, docker.files], ["running", 1]);
  });

  it("is started as it is if it was stopped, and left alone if it runs", async () => {
    const docker = new OneContainer();
    await engineOf(docker).ensureContainer(spec);
    docker.state = "exited";
    assert.equal(await engineOf(docker).ensureContainer(spec), false);
    assert.equal(await engineOf(docker).ensureContainer(spec), true);
    assert.deepEqual([docker.state, docker.files], ["running", 1]);
  });
});
