import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { Log } from "../e2e/support/log";
import { attached } from "./support/cluster";
import { Releases } from "./support/releases";

describe("scenario: the log on a cluster", () => {
  const cluster = attached();
  let releases: Releases;
  let log: Log;
  before(() => {
    releases = new Releases(cluster());
    log = new Log(cluster());
  });
  after(async () => {
    if (!releases.restored) await releases.mustUp();
    releases.close();
    log.close();
  });

  it("has checkpoints that Vault signs, through the agent of the pod", async () => {
    await log.provenWithin(await log.store(), 15);
    await log.mustBeWhole();
  });

  it("is whole while pods are replaced under load, and afterwards extends what it was before", async () => {
    writeFileSync(log.file("before"), await log.read("/log/checkpoint"));
    const keys = await log.keys();
    const size = await log.size();
    let verified = 0;
    await releases.losesNothing(100, async () => {
      const replaced = releases.mustUp({ memory: releases.original.memory + 8 }).then(() => true);
      while (!(await Promise.race([replaced, log.mustBeWhole([], keys).then(() => false)]))) verified += 1;
    });
    assert.ok(verified > 0);
    const id = await log.store();
    await log.provenWithin(id, 15);
    await log.mustBeWhole(["--since", log.file("before")], keys);
    assert.ok((await log.size()) > size);
    assert.deepEqual(await log.keys(), keys);
  });

  it("offers the agent's socket to the service's group alone, and in the service's pods alone", async () => {
    const [pod] = await cluster().pods("audit-svc");
    const name = pod?.metadata.name ?? "";
    const stat = "stat -c '%a %u %g' /run/audit/vault.sock";
    const seen = await cluster().kubectl("exec", "-n", "audit", name, "-c", "service", "--", "sh", "-c", stat);
    assert.equal(seen.trim(), "660 100 10001");
    const [edge] = await cluster().pods("audit-edge");
    const absent = "[ -e /run/audit ] && echo there || echo absent";
    const there = await cluster().kubectl(
      ...["exec", "-n", "audit", edge?.metadata.name ?? "", "-c", "nginx", "--", "sh", "-c", absent],
    );
    assert.equal(there.trim(), "absent");
  });
});
