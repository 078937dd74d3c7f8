import assert from "node:assert/strict";
import { backend } from "./harness/backends.js";
import { assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { grafanaApi as api, grafanaUid as uid } from "./harness/grafana.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import type { Props } from "./harness/values.js";
import { unique } from "./harness/world.js";

const FOLDER = "grafana:oss/folder:Folder";
const RULE_GROUP = "grafana:alerting/ruleGroup:RuleGroup";

describe("grafana: RuleGroup", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    const { url, token } = backend("grafana");
    plugin = await bench.configured("grafana", { url, auth: token, retries: 0 });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  const rule = (more: Props = {}): Props => ({
    name: "Down",
    condition: "A",
    for: "1m",
    noDataState: "OK",
    execErrState: "Error",
    labels: { severity: "critical" },
    annotations: { summary: "It is {{ $labels.instance }}" },
    datas: [
      {
        refId: "A",
        datasourceUid: "__expr__",
        relativeTimeRange: { from: 600, to: 0 },
        model: JSON.stringify({ type: "math", refId: "A", expression: "1 > 2" }),
      },
    ],
    ...more,
  });
  const inFolder = async (): Promise<Props> => {
    const folder = plugin.resource(FOLDER, "f");
    await folder.create({ uid: uid("f"), title: unique("folder") });
    return { folderUid: folder.values.uid, name: unique("group"), intervalSeconds: 60, rules: [rule()] };
  };
  const stored = (base: Props) =>
    api<{ interval: number; rules: Props[] }>(
      "GET",
      `v1/provisioning/folder/${String(base.folderUid)}/rule-groups/${String(base.name)}`,
    );

  it("has `orgId:folder:name` for its id; only these replace it", async () => {
    const base = await inFolder();
    const group = plugin.resource(RULE_GROUP, "g");
    await group.create(base);
    assert.equal(group.id, `1:${String(base.folderUid)}:${String(base.name)}`);
    assertHas(group.outputs, { orgId: "1", intervalSeconds: 60, disableProvenance: false });
    await assertStable(group, base);
    const [kept] = (await stored(base))?.rules ?? [];
    assertHas(kept ?? {}, {
      title: "Down",
      for: "1m",
      noDataState: "OK",
      execErrState: "Error",
    });
    await assertEffects(group, base, [
      [{ name: unique("other") }, "delete-before-replace"],
      [{ folderUid: "other" }, "delete-before-replace"],
      [{ intervalSeconds: 120 }, "update"],
      [{ disableProvenance: true }, "update"],
      [{ rules: [rule({ for: "60s" })] }, "none"],
      [{ rules: [rule({ for: "2m" })] }, "update"],
      [{ rules: [rule({ labels: { severity: "warning" } })] }, "update"],
      [{ rules: [rule({ noDataState: undefined })] }, "update"],
      [{ rules: [rule(), rule({ name: "Other" })] }, "update"],
    ]);
    await group.refresh();
    await assertStable(group, base);
  });

  it("takes what Grafana fills into a query for no difference", async () => {
    const base = await inFolder();
    const group = plugin.resource(RULE_GROUP, "g");
    await group.create(base);
    await group.refresh();
    const [{ datas }] = group.values.rules as [{ datas: [{ model: string }] }];
    assert.deepEqual(JSON.parse(datas[0].model), { type: "math", refId: "A", expression: "1 > 2" });
    const [data] = rule().datas as Props[];
    const spelt = { expression: "1 > 2", type: "math", refId: "A", intervalMs: 1000, maxDataPoints: 43_200 };
    await assertStable(group, { ...base, rules: [rule({ datas: [{ ...data, model: JSON.stringify(spelt) }] })] });
  });

  it("keeps the uids of its rules, or those that Grafana made up", async () => {
    const base = await inFolder();
    const mine = uid("r");
    const rules = [rule({ uid: mine }), rule({ name: "Another" })];
    const group = plugin.resource(RULE_GROUP, "g");
    await group.create({ ...base, rules });
    const uids = () => (group.values.rules as { uid: string }[]).map((made) => made.uid);
    assert.equal(uids()[0], mine);
    const made = uids()[1];
    await assertStable(group, { ...base, rules });
    await group.update({ ...base, rules, intervalSeconds: 120 });
    assert.deepEqual(uids(), [mine, made]);
    assert.equal((await stored(base))?.interval, 120);
  });

  it("sees a rule that was changed by hand, and that the group is gone", async () => {
    const base = await inFolder();
    const group = plugin.resource(RULE_GROUP, "g");
    await group.create(base);
    const now = await stored(base);
    const path = `v1/provisioning/folder/${String(base.folderUid)}/rule-groups/${String(base.name)}`;
    await api("PUT", path, { ...now, rules: now?.rules.map((r) => ({ ...r, for: "5m" })) });
    await group.refresh();
    assert.equal(effect(await group.diff(base)), "update");
    await group.update(base);
    await assertStable(group, base);
    await group.delete();
    assert.equal(await stored(base), undefined);
    await group.create(base);
    await fetch(`${backend("grafana").url}/api/${path}`, {
      method: "DELETE",
      headers: { Authorization: `Basic ${Buffer.from(backend("grafana").token).toString("base64")}` },
    });
    assert.equal(await group.refresh(), undefined);
  });

  it("does not take over a group that is there", async () => {
    const base = await inFolder();
    await plugin.resource(RULE_GROUP, "g").create(base);
    const second = plugin.resource(RULE_GROUP, "h");
    await assert.rejects(second.create(base), /already exists/);
    assert.equal(second.state, undefined);
  });

  it("refuses by name what is missing, unknown, or wrong", async () => {
    const group = plugin.resource(RULE_GROUP, "g");
    const base = { folderUid: "f", name: "g", intervalSeconds: 60, rules: [rule()] };
    await assertRefused(group, { ...base, intervalSeconds: undefined }, "intervalSeconds");
    await assertRefused(group, { ...base, folderUid: "no spaces" }, "folderUid");
    await assertRefused(group, { ...base, rules: [rule({ for: "soon" })] }, "for");
    await assertRefused(group, { ...base, bogus: 1 }, "bogus");
  });
});
