import assert from "node:assert/strict";
import { forgetVm2, vm2Host } from "../../src/platform/vm2.js";
import { readSettings } from "../../src/settings.js";

describe("DOCKER_HOST", () => {
  const kept = (DOCKER_HOST: string): string | undefined => {
    const env: NodeJS.ProcessEnv = { DOCKER_HOST };
    forgetVm2(env);
    return env.DOCKER_HOST;
  };

  it("is no engine for the platform where it names a VM2, also that of another work tree", () => {
    for (const SANDBOX_PORT_BASE of ["18000", "28000"])
      assert.equal(kept(vm2Host(readSettings({ SANDBOX_PORT_BASE }))), undefined);
  });

  it("is heeded otherwise", () => {
    for (const host of ["unix:///run/user/1000/docker.sock", "ssh://me@127.0.0.1:18022", "ssh://deploy@vm2.example"])
      assert.equal(kept(host), host);
  });
});
