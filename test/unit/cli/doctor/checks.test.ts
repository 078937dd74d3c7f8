import assert from "node:assert/strict";
import { examine } from "../../../../cli/doctor/examine";
import { SUBJECTS } from "../../../../cli/doctor/subjects";
import { onCluster } from "../../support/settings";
import { set } from "./broken/broken";
import { cluster } from "./broken/cluster";
import { database } from "./broken/database";
import { machine } from "./broken/machine";
import { monitoring } from "./broken/monitoring";
import { networks } from "./broken/networks";
import { pipeline } from "./broken/pipeline";
import { vault } from "./broken/vault";
import { inOrder, worldOf } from "./world";

const BROKEN = { ...machine, ...networks, ...database, ...vault, ...monitoring, ...pipeline };

/** Says only whether the others can look. */
const ONLY_NEEDED = ["gitlab-known"];

const STACKS = [
  {
    platform: "vm" as const,
    settings: {},
    /** By the name of the check: every way in which it is shown failing. */
    broken: BROKEN,
    notLookedAt: ["gitlab-runner"],
  },
  {
    platform: "kubernetes" as const,
    settings: {
      ...onCluster,
      ...{ "audit:replicasMax": "10", "audit:prometheusDiscovery": "podMonitor", "audit:podMonitorNamespace": "m" },
    },
    // What a VM's stack has as well is shown there.
    broken: cluster,
    notLookedAt: ["prometheus-job", "gitlab-runner"],
  },
];

for (const { platform, settings, broken, notLookedAt } of STACKS) {
  describe(`audit doctor: its checks of a stack with audit:platform ${platform}`, () => {
    const subjects = SUBJECTS[platform];
    const all = subjects.flatMap(({ checks }) => checks);
    const token = { GITLAB_TOKEN: "glpat" };

    it("finds nothing in a world in order", async () => {
      const answers = inOrder(settings);
      set("env", token)(answers);
      const results = await examine(subjects, worldOf(answers));
      assert.deepEqual(results.filter(({ level }) => level === "failure" || level === "warning"), []); // prettier-ignore
      assert.deepEqual(results.filter(({ level }) => level === "skipped").map(({ id }) => id), notLookedAt); // prettier-ignore
    });

    it("has names that are unique, and needs that exist, and shows each failing", () => {
      const ids = all.map(({ id }) => id);
      assert.equal(new Set(ids).size, ids.length);
      assert.ok(ids.length >= 30, `${ids.length}`);
      for (const { id, needs } of all) if (needs !== undefined) assert.ok(ids.includes(needs), id);
      const elsewhere = SUBJECTS.vm.flatMap(({ checks }) => checks);
      const own = platform === "vm" ? all : all.filter((check) => !elsewhere.includes(check));
      assert.deepEqual(own.map(({ id }) => id).filter((id) => !ONLY_NEEDED.includes(id)).sort(), Object.keys(broken).sort()); // prettier-ignore
    });

    for (const [id, cases] of Object.entries(broken)) {
      for (const { what, settings: more, change, level = "failure", found, cure } of cases) {
        it(`${id}: ${what}`, async () => {
          const answers = inOrder({ ...settings, ...more });
          set("env", token)(answers);
          change?.(answers);
          const results = await examine(subjects, worldOf(answers));
          const result = results.find((each) => each.id === id);
          assert.equal(result?.level, level, JSON.stringify(result));
          assert.match(result.found, found);
          assert.match(result.cure ?? "", cure);
        });
      }
    }
  });
}

describe("audit doctor: a cluster that has no use for something", () => {
  it("asks for no right to PodMonitors, for none of them, and for no measuring", async () => {
    const answers = inOrder(onCluster);
    const none = new Error("Error from server (NotFound)");
    set("kubectl", {
      "create --filename": (input: string) => {
        assert.doesNotMatch(input, /podmonitors/);
        return "true\n".repeat((JSON.parse(input) as { items: unknown[] }).items.length);
      },
      "get --raw /apis/monitoring.coreos.com/v1": none,
      "get --raw /apis/metrics.k8s.io/v1beta1": none,
    })(answers);
    const results = await examine(SUBJECTS.kubernetes, worldOf(answers));
    const levels = Object.fromEntries(results.map(({ id, level }) => [id, level]));
    assert.deepEqual(
      ["cluster-rights", "cluster-monitors", "cluster-metrics"].map((id) => levels[id]),
      ["ok", "skipped", "skipped"],
    );
  });
});
