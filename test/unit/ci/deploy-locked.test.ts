import assert from "node:assert/strict";
import { hostname } from "node:os";
import { describe, it } from "mocha";
import { deploy } from "../../../ci/deploy";
import { lockOwner } from "../../../ci/lib/stack";
import { commands, failsWith, jobWith, type Call } from "./support/job";
import { jobDirectory, login, onTag, output, OUTPUTS, settings, ups } from "./support/stack";

const LOCKED = (
  host: string,
  pid: number,
): string => `error: the stack is currently locked by 1 lock(s). Either wait for the other process(es) to end or delete the lock file with \`pulumi cancel\`.
  postgres://****:****@db/state/.pulumi/locks/organization/audit/vm2/cfa0ba57.json: created by root@${host} (pid ${pid}) at 2026-11-23T13:53:14Z`;
describe("ci: deploy, when the state is locked", () => {
  jobDirectory();

  const lockedBy = (host: string, pid: number) => {
    let free = false;
    return commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi cancel": () => {
        free = true;
        return {};
      },
      "pulumi up": () => (free ? {} : { code: 255, all: LOCKED(host, pid) }),
    });
  };
  const cancelled = (calls: readonly Call[]): boolean => calls.some(({ line }) => line.startsWith("pulumi cancel"));

  it("by another machine: says by whom, and what to do", async () => {
    const { exec, calls } = lockedBy("runner-7", 33);
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, exec),
      'stack vm2 is locked by root@runner-7 (pid 33); if that run is over, run this job again with LOCK_OWNER set to "root@runner-7 (pid 33)"',
    );
    assert.equal(cancelled(calls), false);
  });

  it("by the one that LOCK_OWNER names: releases it", async () => {
    const { exec, calls } = lockedBy("runner-7", 33);
    await deploy(jobWith({ ...(await login("deploy")), ...onTag, LOCK_OWNER: "root@runner-7 (pid 33)" }).job, exec);
    assert.ok(cancelled(calls));
    assert.equal(ups(calls).length, 2);
  });

  it("by another than LOCK_OWNER names: leaves it", async () => {
    const { exec, calls } = lockedBy("runner-8", 33);
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag, LOCK_OWNER: "root@runner-7 (pid 33)" }).job, exec),
      /^stack vm2 is locked by root@runner-8 /,
    );
    assert.equal(cancelled(calls), false);
  });

  it("by a process of this machine that is gone: releases it; that lives: leaves it", async () => {
    const gone = lockedBy(hostname(), 2 ** 22 + 1);
    await deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, gone.exec);
    assert.ok(cancelled(gone.calls));
    const alive = lockedBy(hostname(), process.pid);
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, alive.exec),
      /^stack vm2 is locked by /,
    );
    assert.equal(cancelled(alive.calls), false);
  });

  it("reads the owner as the CLI writes it", () => {
    assert.deepEqual(lockOwner(LOCKED("vm", 18848)), { text: "root@vm (pid 18848)", host: "vm", pid: 18848 });
    assert.equal(lockOwner("error: something else"), undefined);
  });
});
