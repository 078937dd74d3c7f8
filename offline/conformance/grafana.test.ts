import assert from "node:assert/strict";
import { backend } from "./harness/backends.js";
import { assertAutoname, assertEffects, assertHas, assertRefused, assertStable, effect } from "./harness/expect.js";
import { grafanaApi as api, grafanaUid as uid } from "./harness/grafana.js";
import { Bench } from "./harness/installed.js";
import type { Plugin } from "./harness/plugin.js";
import { UNKNOWN, secret, secretKeys, unknownKeys, type Props } from "./harness/values.js";
import { unique } from "./harness/world.js";

const FOLDER = "grafana:oss/folder:Folder";
const DASHBOARD = "grafana:oss/dashboard:Dashboard";
const DATA_SOURCE = "grafana:oss/dataSource:DataSource";

const secrets = (props: Props): string[] => secretKeys(props).filter((k) => !k.startsWith("__"));

describe("grafana: provider, Folder, Dashboard, DataSource", () => {
  const bench = new Bench();
  let plugin: Plugin;
  before(async () => {
    const { url, token } = backend("grafana");
    plugin = await bench.configured("grafana", { url, auth: token, retries: 0 });
  });
  afterEach(() => bench.cleanUp());
  after(() => bench.close());

  describe("Provider", () => {
    it("asks for previews and for secrets to be stripped", () => {
      assertHas(
        { ...plugin.flags },
        { acceptSecrets: false, supportsPreview: true, supportsAutonamingConfiguration: true },
      );
    });

    it("takes url and auth from the environment", async () => {
      const { url, token } = backend("grafana");
      const other = await bench.configured("grafana", {}, { GRAFANA_URL: url, GRAFANA_AUTH: token });
      await other.resource(FOLDER, "f").create({ title: unique("folder") });
      await other.cleanUp();
      await other.stop();
    });

    it("takes a login of the environment into its inputs, and so into the state, unless it is given one", async () => {
      const { url, token } = backend("grafana");
      const other = await bench.open("grafana", { GRAFANA_URL: url, GRAFANA_AUTH: token });
      const taken = (await other.checkConfig({})).config;
      assert.deepEqual([taken.url, taken.auth], [url, secret(token)]);
      const given = (await other.checkConfig({ url, auth: "anonymous" })).config;
      assert.deepEqual([given.url, given.auth], [url, secret("anonymous")]);
      await other.stop();
    });

    it("logs in by GRAFANA_HTTP_HEADERS, which stays out of its inputs", async () => {
      const { url, token } = backend("grafana");
      const authorization = token.includes(":") ? `Basic ${Buffer.from(token).toString("base64")}` : `Bearer ${token}`;
      const env = { GRAFANA_HTTP_HEADERS: JSON.stringify({ Authorization: authorization }) };
      const other = await bench.configured("grafana", { url, auth: "anonymous", retries: 0 }, env);
      assert.equal((await other.checkConfig({ url, auth: "anonymous" })).config.httpHeaders, undefined);
      const folder = other.resource(FOLDER, "f");
      await folder.create({ uid: uid("h"), title: unique("folder") });
      assert.match(String(folder.id), /^0:/);
      await other.cleanUp();
      await other.stop();
    });

    it("says that a login was refused, and saves nothing", async () => {
      const { url } = backend("grafana");
      const other = await bench.configured("grafana", { url, auth: "admin:wrong", retries: 0 });
      const folder = other.resource(FOLDER, "f");
      await assert.rejects(
        folder.create({ title: unique("folder") }),
        /401|[Uu]nauthorized|[Ii]nvalid username or password/,
      );
      assert.equal(folder.state, undefined);
      await other.stop();
    });
  });

  describe("Folder", () => {
    it("has `orgId:uid` for its id; only the uid replaces it", async () => {
      const folder = plugin.resource(FOLDER, "f");
      const base = { uid: uid("f"), title: unique("folder") };
      assert.deepEqual(unknownKeys(await folder.previewCreate(base)), ["id", "url"]);
      await folder.create(base);
      assert.equal(folder.id, `1:${base.uid}`);
      assertHas(folder.outputs, { ...base, orgId: "1" });
      assert.match(String(folder.values.url), new RegExp(`/dashboards/f/${base.uid}/`));
      await assertStable(folder, base);
      await folder.refresh();
      await assertStable(folder, base);
      await assertEffects(folder, base, [
        [{ title: "other" }, "update"],
        [{ uid: "other" }, "replace"],
        [{ preventDestroyIfNotEmpty: true }, "update"],
        [{ parentFolderUid: "other" }, "update"],
      ]);
      await folder.update({ ...base, title: "Another title" });
      assertHas((await api("GET", `folders/${base.uid}`)) ?? {}, { title: "Another title" });
    });

    it("lets Grafana choose a uid, and keeps it", async () => {
      const folder = plugin.resource(FOLDER, "f");
      const base = { title: unique("folder") };
      assert.ok(unknownKeys(await folder.previewCreate(base)).includes("uid"));
      await folder.create(base);
      assert.ok(await api("GET", `folders/${String(folder.values.uid)}`));
      await assertStable(folder, base);
    });

    it("sees a title changed by hand, and that it is gone", async () => {
      const folder = plugin.resource(FOLDER, "f");
      const base = { uid: uid("f"), title: unique("folder") };
      await folder.create(base);
      await api("PUT", `folders/${base.uid}`, { title: "by hand", overwrite: true });
      await folder.refresh();
      assertHas(folder.outputs, { title: "by hand" });
      assert.equal(effect(await folder.diff(base)), "update");
      await api("DELETE", `folders/${base.uid}`);
      assert.equal(await folder.refresh(), undefined);
    });

    it("takes its dashboards along, unless preventDestroyIfNotEmpty is set", async () => {
      const folder = plugin.resource(FOLDER, "f");
      const base = { uid: uid("f"), title: unique("folder"), preventDestroyIfNotEmpty: true };
      await folder.create(base);
      const inside = uid("d");
      await api("POST", "dashboards/db", { folderUid: base.uid, dashboard: { uid: inside, title: inside } });
      await assert.rejects(folder.delete(), /not empty|contains/);
      await folder.update({ ...base, preventDestroyIfNotEmpty: false });
      await folder.delete();
      assert.equal(await api("GET", `dashboards/uid/${inside}`), undefined);
    });

    it("is content to delete what is gone", async () => {
      const folder = plugin.resource(FOLDER, "f");
      const base = { uid: uid("f"), title: unique("folder") };
      await folder.create(base);
      await api("DELETE", `folders/${base.uid}`);
      await folder.delete();
    });

    it("refuses a uid with other characters, and what it does not know, by name", async () => {
      const folder = plugin.resource(FOLDER, "f");
      await assertRefused(folder, { title: "t", uid: "no spaces" }, "uid");
      await assertRefused(folder, { title: "t", bogus: 1 }, "bogus");
    });
  });

  describe("Dashboard", () => {
    const model = (id: string, more: Props = {}): string =>
      JSON.stringify({ uid: id, title: `Title of ${id}`, panels: [], ...more });

    it("has `orgId:uid` for its id; only another uid inside the JSON replaces it", async () => {
      const id = uid("d");
      const dashboard = plugin.resource(DASHBOARD, "d");
      const base = { configJson: model(id) };
      assert.deepEqual(unknownKeys(await dashboard.previewCreate(base)), [
        "dashboardId",
        "id",
        "uid",
        "url",
        "version",
      ]);
      await dashboard.create(base);
      assert.equal(dashboard.id, `1:${id}`);
      assertHas(dashboard.outputs, { uid: id, orgId: "1", version: 1 });
      assert.match(String(dashboard.values.url), new RegExp(`/d/${id}/`));
      await assertStable(dashboard, base);
      await dashboard.refresh();
      await assertStable(dashboard, base);
      await assertEffects(dashboard, base, [
        [{ configJson: model(id, { title: "other" }) }, "update"],
        [{ configJson: model("another") }, "replace"],
        [{ configJson: model(id, { id: 999, version: 999 }) }, "none"],
        [{ configJson: JSON.stringify({ panels: [], title: `Title of ${id}`, uid: id }) }, "none"],
        [{ folder: "other" }, "update"],
        [{ message: "m" }, "update"],
        [{ overwrite: true }, "update"],
      ]);
    });

    it("forgets panel ids, so that Grafana's own are no difference", async () => {
      const id = uid("d");
      const dashboard = plugin.resource(DASHBOARD, "d");
      const panels = [{ id: 7, type: "text", title: "p" }];
      const base = { configJson: model(id, { panels }) };
      await dashboard.create(base);
      assert.equal(JSON.stringify(JSON.parse(String(dashboard.values.configJson))).includes('"id"'), false);
      await dashboard.refresh();
      await assertStable(dashboard, base);
      await assertStable(dashboard, { configJson: model(id, { panels: [{ type: "text", title: "p" }] }) });
    });

    it("lives in the folder that is named by its uid or its id", async () => {
      const folder = plugin.resource(FOLDER, "f");
      await folder.create({ uid: uid("f"), title: unique("folder") });
      const dashboard = plugin.resource(DASHBOARD, "d");
      const base = { folder: folder.values.uid, configJson: model(uid("d")) };
      await dashboard.create(base);
      assertHas(dashboard.outputs, { folder: folder.values.uid });
      await assertStable(dashboard, base);
      await assertEffects(dashboard, base, [
        [{ folder: folder.id }, "none"],
        [{ folder: undefined }, "update"],
      ]);
      await dashboard.refresh();
      await assertStable(dashboard, base);
    });

    it("overwrites at every update what was changed by hand, and counts versions", async () => {
      const id = uid("d");
      const dashboard = plugin.resource(DASHBOARD, "d");
      const base = { configJson: model(id) };
      await dashboard.create(base);
      await api("POST", "dashboards/db", { overwrite: true, dashboard: { uid: id, title: "by hand" } });
      await dashboard.refresh();
      assert.match(String(dashboard.values.configJson), /by hand/);
      assert.equal(effect(await dashboard.diff(base)), "update");
      await dashboard.update(base);
      const found = await api<{ dashboard: Props }>("GET", `dashboards/uid/${id}`);
      assertHas(found?.dashboard ?? {}, { title: `Title of ${id}`, version: 3 });
      assertHas(dashboard.outputs, { version: 3 });
    });

    it("does not take over a dashboard of the same uid unless overwrite is set", async () => {
      const id = uid("d");
      await api("POST", "dashboards/db", { dashboard: { uid: id, title: "first" } });
      const dashboard = plugin.resource(DASHBOARD, "d");
      await assert.rejects(dashboard.create({ configJson: model(id) }), /412|exists|changed by someone else/);
      assert.equal(dashboard.state, undefined);
      await dashboard.create({ configJson: model(id), overwrite: true });
    });

    it("is found gone, and is content to be deleted then", async () => {
      const id = uid("d");
      const dashboard = plugin.resource(DASHBOARD, "d");
      await dashboard.create({ configJson: model(id) });
      await api("DELETE", `dashboards/uid/${id}`);
      await dashboard.delete();
      await dashboard.create({ configJson: model(id) });
      await api("DELETE", `dashboards/uid/${id}`);
      assert.equal(await dashboard.refresh(), undefined);
    });

    it("passes an unknown model through a preview", async () => {
      const preview = await plugin.resource(DASHBOARD, "d").previewCreate({ configJson: UNKNOWN });
      assert.ok(unknownKeys(preview).includes("configJson"));
    });

    it("refuses by name what is missing, unknown, or no JSON", async () => {
      const dashboard = plugin.resource(DASHBOARD, "d");
      await assertRefused(dashboard, {}, "configJson");
      await assertRefused(dashboard, { configJson: "{nope" }, "configJson");
      await assertRefused(dashboard, { configJson: model("x"), bogus: 1 }, "bogus");
    });
  });

  describe("DataSource", () => {
    it("keeps its defaults and options; only the uid replaces it", async () => {
      const source = plugin.resource(DATA_SOURCE, "s");
      const base = {
        uid: uid("s"),
        name: unique("source"),
        type: "prometheus",
        url: "http://prometheus.invalid:9090",
        jsonDataEncoded: '{"httpMethod": "POST", "timeInterval": "15s"}',
      };
      assertHas((await source.check(base)).inputs, { __defaults: ["accessMode"], accessMode: "proxy" });
      assert.deepEqual(unknownKeys(await source.previewCreate(base)), ["id"]);
      await source.create(base);
      assert.equal(source.id, `1:${base.uid}`);
      const found = await api<Props>("GET", `datasources/uid/${base.uid}`);
      assertHas(found ?? {}, {
        name: base.name,
        type: "prometheus",
        url: base.url,
        access: "proxy",
        jsonData: { httpMethod: "POST", timeInterval: "15s" },
      });
      await assertStable(source, base);
      await assertStable(source, { ...base, jsonDataEncoded: '{"timeInterval":"15s","httpMethod":"POST"}' });
      await source.refresh();
      await assertStable(source, base);
      await assertEffects(source, base, [
        [{ uid: "other" }, "delete-before-replace"],
        [{ name: unique("other") }, "update"],
        [{ type: "loki" }, "update"],
        [{ url: "http://other.invalid" }, "update"],
        [{ accessMode: "direct" }, "update"],
        [{ jsonDataEncoded: '{"httpMethod":"GET"}' }, "update"],
        [{ secureJsonDataEncoded: secret('{"a":"b"}') }, "update"],
        [{ httpHeaders: secret({ "X-A": "b" }) }, "update"],
        [{ basicAuthEnabled: true }, "update"],
      ]);
      await source.update({ ...base, url: "http://other.invalid" });
      assertHas((await api("GET", `datasources/uid/${base.uid}`)) ?? {}, { url: "http://other.invalid" });
    });

    it("names itself when it is not told", async () => {
      const name = unique("source");
      const { inputs } = await plugin.resource(DATA_SOURCE, name).check({ type: "prometheus" });
      assertAutoname(inputs.name, name);
    });

    it("keeps headers and secure data as secrets, which cannot be read back", async () => {
      const source = plugin.resource(DATA_SOURCE, "s");
      const base = {
        uid: uid("s"),
        name: unique("source"),
        type: "prometheus",
        url: "http://prometheus.invalid",
        httpHeaders: { "X-Token": "hidden" },
        secureJsonDataEncoded: '{"basicAuthPassword":"hidden"}',
      };
      await source.create(base);
      assert.deepEqual(secrets(source.outputs), ["httpHeaders", "secureJsonDataEncoded"]);
      const found = await api<{ secureJsonFields: Props; jsonData: Props }>("GET", `datasources/uid/${base.uid}`);
      assert.deepEqual(found?.secureJsonFields, { basicAuthPassword: true, httpHeaderValue1: true });
      assert.equal(found?.jsonData.httpHeaderName1, "X-Token");
      await assertStable(source, base);
      await source.refresh();
      await assertStable(source, base);
    });

    it("sees an address changed by hand, and that it is gone", async () => {
      const source = plugin.resource(DATA_SOURCE, "s");
      const base = { uid: uid("s"), name: unique("source"), type: "prometheus", url: "http://one.invalid" };
      await source.create(base);
      await api("PUT", `datasources/uid/${base.uid}`, {
        uid: base.uid,
        name: base.name,
        type: base.type,
        access: "proxy",
        url: "http://two.invalid",
      });
      await source.refresh();
      assertHas(source.outputs, { url: "http://two.invalid" });
      assert.equal(effect(await source.diff(base)), "update");
      await api("DELETE", `datasources/uid/${base.uid}`);
      assert.equal(await source.refresh(), undefined);
    });

    it("fails on a name in use and saves nothing", async () => {
      const name = unique("source");
      await plugin.resource(DATA_SOURCE, "first").create({ name, type: "prometheus", url: "http://one.invalid" });
      const second = plugin.resource(DATA_SOURCE, "second");
      await assert.rejects(second.create({ name, type: "prometheus", url: "http://one.invalid" }), /409|exists/);
      assert.equal(second.state, undefined);
    });

    it("refuses by name what is missing, unknown, reserved, or no JSON", async () => {
      const source = plugin.resource(DATA_SOURCE, "s");
      await assertRefused(source, { name: "n" }, "type");
      await assertRefused(source, { type: "prometheus", bogus: 1 }, "bogus");
      await assertRefused(source, { type: "prometheus", jsonDataEncoded: "{nope" }, "jsonDataEncoded");
      await assertRefused(source, { type: "prometheus", jsonDataEncoded: '{"httpHeaderName1":"x"}' }, "httpHeaderName");
    });
  });
});
