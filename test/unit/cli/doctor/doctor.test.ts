import assert from "node:assert/strict";
import { ok, failure, type Subject } from "../../../../cli/doctor/check";
import { chosen } from "../../../../cli/doctor/doctor";
import { examine } from "../../../../cli/doctor/examine";
import { overlap, readFacts } from "../../../../cli/doctor/host-facts";
import { reportText } from "../../../../cli/doctor/report";
import { SUBJECTS } from "../../../../cli/doctor/subjects";
import { styleFor } from "../../../../cli/output";
import { CommandError } from "../../../../cli/errors";
import { inOrder, worldOf } from "./world";

const subjects: Subject[] = [
  {
    name: "One",
    checks: [
      { id: "one-late", title: "late", run: () => new Promise(() => undefined) },
      { id: "one-after", title: "after it", needs: "one-late", run: async () => ok("never said") },
      { id: "one-thrown", title: "thrown", run: () => Promise.reject(new Error("first\nsecond")) },
      { id: "one-unknown", title: "unknown", run: () => Promise.reject(new Error("getaddrinfo ENOTFOUND db.invalid")) },
      { id: "one-cured", title: "cured", run: () => Promise.reject(new CommandError("no login; log in; again")) },
    ],
  },
  { name: "Two", checks: [{ id: "two-fine", title: "fine", run: async () => ok("all right") }] },
];

describe("audit doctor", () => {
  const access = worldOf(inOrder());

  it("gives up a check without an answer, and says of what depends on it only that", async () => {
    const [late, after, thrown, unknown, cured, fine] = await examine(subjects, access, 50);
    assert.equal(late?.level, "failure");
    assert.match(late.found, /no answer within 0\.05 s/);
    assert.deepEqual([after?.level, after?.found], ["skipped", 'not looked at: see "late"']);
    assert.deepEqual([thrown?.level, thrown?.found], ["failure", "first; second"]);
    assert.match(unknown?.cure ?? "", /^DNS does not know this name here: correct the setting/);
    assert.deepEqual([cured?.found, cured?.cure], ["no login", "log in; again"]);
    assert.equal(fine?.level, "ok");
  });

  it("gives up all checks at one time, also one that waited for another", async () => {
    const slow = { id: "slow", title: "slow", run: () => new Promise<ReturnType<typeof ok>>((done) => setTimeout(() => done(ok("")), 300)) }; // prettier-ignore
    const never = { id: "never", title: "never", needs: "slow", run: () => new Promise<never>(() => undefined) };
    const started = performance.now();
    const [, found] = await examine([{ name: "Two", checks: [slow, never] }], access, 400);
    assert.equal(found?.level, "failure");
    assert.ok(performance.now() - started < 650);
  });

  it("looks at everything at once", async () => {
    const slow = (id: string) => ({ id, title: id, run: () => new Promise<ReturnType<typeof ok>>((done) => setTimeout(() => done(ok("")), 100)) }); // prettier-ignore
    const started = performance.now();
    await examine([{ name: "Many", checks: Array.from({ length: 50 }, (_, n) => slow(`many-${n}`)) }], access);
    assert.ok(performance.now() - started < 1000);
  });

  it("shows causes and cures, and how many there were", async () => {
    const broken: Subject = { name: "Three", checks: [{ id: "three", title: "broken", run: async () => failure("it is broken", "mend it") }] }; // prettier-ignore
    const results = await examine([...subjects, broken], access, 50);
    const text = reportText(results, styleFor(false), false);
    assert.match(text, /^Three\n {2}FAILURE {2}broken {4}it is broken\n {21}cure: mend it$/m);
    assert.doesNotMatch(text, /after it/);
    assert.match(text, /\n\n1 ok, 0 warnings, 5 failures, 1 not looked at \(--all says why\)\.$/);
    assert.match(reportText(results, styleFor(false), true), / {2}- +after it +not looked at: see "late"/);
  });

  it("looks at some alone, with what they need", () => {
    const ids = (only: string[]) => chosen(SUBJECTS.vm, only).flatMap(({ checks }) => checks.map(({ id }) => id));
    assert.deepEqual(ids(["networks-subnets", "vault-token"]), ["vm-ssh", "vm-docker", "networks-subnets", "vault-seal", "vault-token"]); // prettier-ignore
    assert.throws(
      () => chosen(SUBJECTS.vm, ["nothing"]),
      /--only nothing is the name of no check; they begin with stack, vm,/,
    );
  });

  it("reads what the VM tells of itself", () => {
    const facts = readFacts(
      [
        ...["clock 1700000000", "disk /var/lib/docker 1000 5000", "memory 2048", "mtu eth0 1450"],
        ...[
          "route eth0 0000000A 00FFFFFF",
          "route docker0 000011AC 0000FFFF",
          "route br-0123456789ab 00601DAC 00FFFFFF",
        ],
        ...[
          "listen 0050",
          "listen 1F90",
          "listen 0050",
          "reach db 5432 yes",
          "reach fd00::1 8200 no",
          "reach x 1 unknown",
          "",
        ],
      ].join("\n"),
    );
    assert.deepEqual(facts, {
      ...{ clock: 1_700_000_000, disk: { path: "/var/lib/docker", freeKiB: 1000, totalKiB: 5000 }, memoryKiB: 2048 },
      ...{ uplink: { name: "eth0", mtu: 1450 }, routes: [{ device: "eth0", range: "10.0.0.0/24" }] },
      ...{ listening: [80, 8080], reaches: { "db 5432": "yes", "fd00::1 8200": "no", "x 1": "unknown" } },
    });
  });

  it("knows which ranges share addresses", () => {
    assert.ok(overlap("172.29.0.0/16", "172.29.96.0/24"));
    assert.ok(overlap("0.0.0.0/0", "10.0.0.1"));
    assert.ok(overlap("200.1.2.3", "200.1.2.3/32"));
    assert.ok(!overlap("10.20.4.0/22", "10.20.8.0/22"));
  });
});
