import assert from "node:assert/strict";
import { run, until } from "../e2e/support/sandbox";
import { pushVariant } from "../e2e/support/variant";
import { attached } from "./support/cluster";
import { isReady, namesOf, Releases } from "./support/releases";

describe("scenario: releases on a cluster", () => {
  const cluster = attached();
  let releases: Releases;
  before(() => {
    releases = new Releases(cluster());
  });
  /** By a digest that the registry does not have. */
  const missingImage = () => `${releases.original.image.split("@")[0] ?? ""}@sha256:${"0".repeat(64)}`;
  after(async () => {
    if (!releases.restored) await releases.mustUp();
    releases.close();
  });

  it("replaces a release under load without a lost request, and goes back by the former one's settings", async () => {
    const before = await releases.state();
    const first = before.slots[before.active]?.release;
    await releases.losesNothing(300, () => releases.mustUp({ memory: releases.original.memory + 8 }));
    const after = await releases.state();
    const second = after.slots[after.active]?.release;
    assert.notEqual(second, first);
    assert.ok((await releases.serving()).every((release) => release === second));
    assert.equal(after.slots[after.active === "blue" ? "green" : "blue"]?.release, first);
    await releases.losesNothing(300, () => releases.mustUp());
    assert.ok((await releases.serving()).every((release) => release === first));
  });

  it("replaces nginx for another configuration under load without a lost request", async () => {
    const before = namesOf(await cluster().pods("audit-edge"));
    await releases.losesNothing(200, () => releases.mustUp({ edgeClientRate: 99_000 }));
    const after = await cluster().pods("audit-edge");
    assert.ok(after.every(isReady));
    assert.ok(namesOf(after).every((name) => !before.includes(name)));
    // It has ten seconds, after which Nginx starts without a way to the service.
    for (const { metadata, status } of after) {
      const way = status.initContainerStatuses?.find(({ name }) => name === "way")?.state.terminated;
      const took = (Date.parse(way?.finishedAt ?? "") - Date.parse(way?.startedAt ?? "")) / 1000;
      assert.ok(took < 9, `the way of ${metadata.name} took ${took} s`);
    }
  });

  it("rotates the database's password under load without a lost request and without another pod", async () => {
    const { databasePasswordVersion: version = 0 } = (await releases.state()) as { databasePasswordVersion?: number };
    const wanted = version + 1;
    const before = namesOf(await cluster().pods("audit-svc"));
    await releases.losesNothing(200, () =>
      releases.mustUp({ edgeClientRate: 99_000, databasePasswordVersion: wanted }),
    );
    // The next deploy must not go back.
    await cluster().mustPulumi("config", "set", "audit:databasePasswordVersion", String(wanted));
    assert.deepEqual(namesOf(await cluster().pods("audit-svc")), before);
    const database = (await cluster().mustPulumi("config", "get", "audit:databaseName")).trim();
    const former = `${database}_app${wanted % 2 === 0 ? "" : "_alt"}`;
    const login = `SELECT rolcanlogin FROM pg_roles WHERE rolname = '${former}'`;
    const { stdout } = await run(["psql", "--tuples-only", "--no-align", "--command", login], cluster().env);
    assert.equal(stdout.trim(), "f");
  });

  it("fails with the output of a migration that fails, and what served keeps serving", async () => {
    const image = await pushVariant(cluster(), "bad-migration", [
      'ENTRYPOINT ["/bin/sh", "-c", "echo migration 042 cannot be applied: column is missing >&2; exit 3"]',
    ]);
    const before = namesOf(await cluster().pods("audit-svc"));
    await releases.fails({ image }, [/migration 042 cannot be applied: column is missing/, /the migration failed/]);
    assert.deepEqual(namesOf(await cluster().pods("audit-svc")), before);
    await releases.stillServes();
  });

  it("fails for an image that cannot be pulled, and what served keeps serving", async () => {
    await releases.fails({ image: missingImage() }, [/the image cannot be pulled: /]);
    await releases.stillServes();
  });

  it("fails for a release that never becomes ready, with its last lines, and what served keeps serving", async () => {
    const image = await pushVariant(cluster(), "never-ready", [
      'ENTRYPOINT ["/bin/sh", "-c", "[ \\"$0\\" = migrate ] && exit 0; echo listening to nobody >&2; exec sleep 3600"]',
    ]);
    const before = namesOf(await cluster().pods("audit-svc"));
    const reason = /audit-svc is not replaced: its pods are not ready within 15 s/;
    await releases.fails({ image, readySeconds: 15 }, [/listening to nobody/, reason]);
    const ready = namesOf((await cluster().pods("audit-svc")).filter(isReady));
    assert.deepEqual(ready, before);
    await releases.stillServes();
    await releases.mustUp();
    assert.deepEqual(namesOf(await cluster().pods("audit-svc")), before);
  });

  it("has what new pods need after a deploy that failed and one that went back", async () => {
    await releases.fails({ edgeImage: missingImage(), edgeClientRate: 98_000 }, [/an image cannot be pulled/]);
    await releases.mustUp();
    await cluster().kubectl("delete", "pod", "-n", "audit", "--all", "--wait=false");
    await until("new pods of everything", 120, async () => {
      const pods = [...(await cluster().pods("audit-svc")), ...(await cluster().pods("audit-edge"))];
      return pods.length > 3 && pods.every(isReady) ? true : undefined;
    });
    await releases.stillServes();
  });

  it("sets the number of pods again that somebody else has set", async () => {
    await cluster().kubectl("scale", "-n", "audit", "deployment/audit-svc", "--replicas=4");
    await releases.mustUp({ replicas: 3 });
    await releases.mustUp();
    assert.equal((await cluster().pods("audit-svc")).filter(isReady).length, 2);
  });

  it("confirms nothing while somebody has removed the service, and ends once all of it is back and ready", async () => {
    await cluster().kubectl("delete", "-n", "audit", "deployment/audit-svc", "--wait=true", "--cascade=foreground");
    await releases.fails({ recordReads: true }, [/no pod of audit-svc runs, so none has confirmed\./]);
    const { code, output } = await releases.up({}, ["--refresh"]);
    assert.equal(code, 0, output);
    assert.equal((await cluster().pods("audit-svc")).filter(isReady).length, 2);
    await releases.stillServes();
  });
});
