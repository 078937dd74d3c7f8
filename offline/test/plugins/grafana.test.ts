import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { request as send } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../../plugins/framework/values.js";
import { GrafanaDescription, assertDescribed } from "../support/grafana-description.js";
import { GrafanaClient, type GrafanaUnderTest, startStandIn } from "../support/grafana-under-test.js";
import { CheckFailed, Plugin, Resource } from "./provider-client.js";

const FOLDER = "grafana:oss/folder:Folder";
const DASHBOARD = "grafana:oss/dashboard:Dashboard";
const SOURCE = "grafana:oss/dataSource:DataSource";
const ANNOTATION = "grafana:oss/annotation:Annotation";

interface Model {
  readonly dashboard: Record<string, unknown>;
  readonly meta: { readonly folderUid: string };
}

describe("grafana plugin", function () {
  this.timeout(60_000);
  let server: GrafanaUnderTest;
  let admin: GrafanaClient;
  let plugin: Plugin;
  const plugins: Plugin[] = [];

  async function configured(settings: Record<string, unknown>, env: NodeJS.ProcessEnv = {}): Promise<Plugin> {
    const started = await Plugin.start("grafana", { GRAFANA_URL: "", GRAFANA_AUTH: "", ...env });
    plugins.push(started);
    await started.configure(settings);
    return started;
  }

  before(async () => {
    server = await startStandIn();
    admin = GrafanaClient.admin(server);
    plugin = await configured({ url: server.url, auth: `${server.user}:${server.password}`, retries: 0 });
  });
  after(async () => {
    await Promise.all(plugins.map((started) => started.stop()));
    await server.stop();
  });

  const resource = (type: string, name: string) => new Resource(plugin, type, name);
  const board = (model: Record<string, unknown>) => JSON.stringify({ title: "Board", panels: [], ...model });
  const read = async (uid: string) => (await admin.get(`/api/dashboards/uid/${uid}`)).body as Model;

  describe("authorities", () => {
    const directory = mkdtempSync(join(tmpdir(), "grafana-tls-"));
    const [cert, key] = [join(directory, "cert.pem"), join(directory, "key.pem")];
    let front: Server;
    let url = "";

    before(async () => {
      const args = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=grafana"];
      execFileSync("openssl", [...args, "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert], {
        stdio: "ignore",
      });
      front = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
        const onward = send(server.url + (request.url ?? ""), { method: request.method, headers: request.headers });
        onward.on("response", (answer) => {
          response.writeHead(answer.statusCode ?? 502, answer.headers);
          answer.pipe(response);
        });
        request.pipe(onward);
      });
      await new Promise<void>((listening) => front.listen(0, "127.0.0.1", listening));
      url = `https://127.0.0.1:${(front.address() as AddressInfo).port}`;
    });
    after(() => {
      front.close();
      front.closeAllConnections();
      rmSync(directory, { recursive: true });
    });

    const folderBy = async (caCert?: string, env: NodeJS.ProcessEnv = {}) => {
      const auth = `${server.user}:${server.password}`;
      const own = await configured({ url, auth, retries: 0, ...(caCert === undefined ? {} : { caCert }) }, env);
      const folder = await new Resource(own, FOLDER, "tls").create({ title: "TLS", uid: "tls" });
      await folder.delete();
    };

    it("are those of caCert, a file or its text, or of GRAFANA_CA_CERT", async () => {
      await folderBy(cert);
      await folderBy(readFileSync(cert, "utf8"));
      await folderBy(undefined, { GRAFANA_CA_CERT: cert });
    });

    it("are the public ones without it", async () => {
      await assert.rejects(folderBy(), /self-signed certificate/);
    });
  });

  describe("Folder", () => {
    it("is called orgId:uid, changes its title in place and is replaced for another uid", async () => {
      const folder = await resource(FOLDER, "f").create({ title: "Audit", uid: "audit" });
      assert.equal(folder.id, "1:audit");
      assert.equal(folder.state.url, `${server.url}/dashboards/f/audit/audit`);
      assert.equal(folder.state.orgId, "1");
      assert.equal(await folder.up({ title: "Audit", uid: "audit" }), "same");
      assert.equal(await folder.up({ title: "Audit 2", uid: "audit" }), "updated");
      assert.deepEqual((await folder.diff({ title: "Audit 2", uid: "other" })).replaces, ["uid"]);
      await folder.delete();
      assert.equal((await admin.get("/api/folders/audit")).status, 404);
    });

    it("keeps a uid that Grafana made up", async () => {
      const folder = await resource(FOLDER, "made-up").create({ title: "Made up" });
      assert.ok(String(folder.state.uid).length > 5);
      assert.equal(await folder.up({ title: "Made up" }), "same");
      await folder.delete();
    });

    it("shows a change by hand as drift, and reads what is gone as gone", async () => {
      const folder = await resource(FOLDER, "drift").create({ title: "Drift", uid: "drift" });
      await admin.put("/api/folders/drift", { title: "By hand", overwrite: true });
      assert.ok(await folder.refresh());
      assert.deepEqual((await folder.diff({ title: "Drift", uid: "drift" })).diffs, ["title"]);
      await admin.delete("/api/folders/drift");
      assert.equal(await folder.refresh(), false);
    });

    it("takes dashboards along at its end, unless preventDestroyIfNotEmpty", async () => {
      const inputs = { title: "Full", uid: "full", preventDestroyIfNotEmpty: true };
      const folder = await resource(FOLDER, "full").create(inputs);
      await admin.post("/api/dashboards/db", { dashboard: { uid: "inside", title: "Inside" }, folderUid: "full" });
      await assert.rejects(folder.delete(), /folder full is not empty .* dashboards and\/or folders: \[Inside\]/);
      assert.equal(await folder.up({ ...inputs, preventDestroyIfNotEmpty: false }), "updated");
      await folder.delete();
      assert.equal((await admin.get("/api/dashboards/uid/inside")).status, 404);
    });

    it("refuses a uid in use with Grafana's own words", async () => {
      const folder = await resource(FOLDER, "first").create({ title: "First", uid: "same" });
      await assert.rejects(
        resource(FOLDER, "second").create({ title: "Second", uid: "same" }),
        /failed to create folder: \[POST \/folders\]\[409\] createFolderConflict .*same uid already exists/,
      );
      await folder.delete();
    });
  });

  describe("Dashboard", () => {
    it("compares canonical JSON: order, ids and versions are no difference, a title is", async () => {
      const configJson = board({
        uid: "canon",
        id: 7,
        version: 3,
        panels: [{ id: 1, type: "text", title: "a<b" }],
        tags: ["x"],
      });
      const dashboard = await resource(DASHBOARD, "canon").create({ configJson });
      assert.equal(dashboard.id, "1:canon");
      assert.equal(dashboard.state.version, 1);
      assert.equal(
        dashboard.state.configJson,
        '{"panels":[{"title":"a\\u003cb","type":"text"}],"tags":["x"],"title":"Board","uid":"canon"}',
      );
      const shuffled = '{"uid":"canon","tags":["x"],"title":"Board","panels":[{"title":"a<b","type":"text"}]}';
      assert.equal(await dashboard.up({ configJson: shuffled }), "same");
      assert.equal(await dashboard.up({ configJson: board({ uid: "canon", title: "New" }) }), "updated");
      assert.equal(dashboard.state.version, 2);
      await dashboard.delete();
    });

    it("is replaced only for another uid inside the JSON, the new one first", async () => {
      const dashboard = await resource(DASHBOARD, "moves").create({ configJson: board({ uid: "before" }) });
      const diff = await dashboard.diff({ configJson: board({ uid: "after" }) });
      assert.deepEqual([diff.replaces, diff.deleteBeforeReplace], [["configJson"], false]);
      assert.equal(await dashboard.up({ configJson: board({ uid: "after" }) }), "replaced");
      assert.equal(dashboard.id, "1:after");
      assert.equal((await admin.get("/api/dashboards/uid/before")).status, 404);
      await dashboard.delete();
    });

    it("leaves a uid that Grafana made up out of the state's JSON", async () => {
      const dashboard = await resource(DASHBOARD, "made-up").create({ configJson: board({}) });
      assert.ok(!String(dashboard.state.configJson).includes('"uid"'));
      assert.ok(await dashboard.refresh());
      assert.equal(await dashboard.up({ configJson: board({}) }), "same");
      await dashboard.delete();
    });

    it("shows a change by hand as drift and overwrites it", async () => {
      const configJson = board({ uid: "hand" });
      const dashboard = await resource(DASHBOARD, "hand").create({ configJson });
      await admin.post("/api/dashboards/db", { dashboard: { uid: "hand", title: "By hand" }, overwrite: true });
      assert.ok(await dashboard.refresh());
      assert.deepEqual((await dashboard.diff({ configJson })).diffs, ["configJson"]);
      assert.equal(await dashboard.up({ configJson }), "updated");
      assert.equal((await read("hand")).dashboard.title, "Board");
      await dashboard.delete();
    });

    it("does not take over a dashboard that is there already, unless told to overwrite", async () => {
      await admin.post("/api/dashboards/db", { dashboard: { uid: "theirs", title: "Theirs" } });
      const inputs = { configJson: board({ uid: "theirs" }) };
      await assert.rejects(
        resource(DASHBOARD, "theirs").create(inputs),
        /\[POST \/dashboards\/db\]\[412\] postDashboardPreconditionFailed .*version-mismatch/,
      );
      const dashboard = await resource(DASHBOARD, "theirs").create({ ...inputs, overwrite: true });
      await dashboard.delete();
    });

    it("takes a folder as its id or its uid, and moves in place", async () => {
      const folder = await resource(FOLDER, "home").create({ title: "Home", uid: "home" });
      const inputs = { configJson: board({ uid: "housed" }), folder: folder.id };
      const dashboard = await resource(DASHBOARD, "housed").create(inputs);
      assert.equal((await read("housed")).meta.folderUid, "home");
      assert.equal(await dashboard.up(inputs), "same");
      assert.equal(await dashboard.up({ ...inputs, folder: "home" }), "same");
      assert.equal(await dashboard.up({ configJson: inputs.configJson }), "updated");
      assert.equal((await read("housed")).meta.folderUid, "");
      await dashboard.delete();
      await folder.delete();
    });

    it("refuses what is no JSON before anything is asked", async () => {
      await assert.rejects(resource(DASHBOARD, "bad").create({ configJson: "{" }), CheckFailed);
    });

    it("makes nothing in a preview", async () => {
      await resource(DASHBOARD, "preview").create({ configJson: board({ uid: "previewed" }) }, { preview: true });
      assert.equal((await admin.get("/api/dashboards/uid/previewed")).status, 404);
    });
  });

  describe("DataSource", () => {
    const inputs = {
      name: "Prom",
      uid: "prom",
      type: "prometheus",
      url: "http://127.0.0.1:9",
      jsonDataEncoded: '{"timeInterval": "5s", "httpMethod": "POST"}',
      httpHeaders: { "X-Key": "secret-header" },
    };

    it("keeps headers secret, canonical JSON and no difference after a refresh", async () => {
      const source = await resource(SOURCE, "prom").create(inputs);
      assert.equal(source.id, "1:prom");
      assert.ok(source.secrets.includes("httpHeaders"));
      assert.equal(source.state.jsonDataEncoded, '{"httpMethod":"POST","timeInterval":"5s"}');
      assert.ok(await source.refresh());
      assert.equal(await source.up(inputs), "same");
      assert.equal(await source.up({ ...inputs, url: "http://127.0.0.1:10" }), "updated");
      assert.deepEqual((await source.diff({ ...inputs, uid: "p2" })).replaces, ["uid"]);
      await source.delete();
    });

    it("makes up a name, and finds no difference in JSON that was never set", async () => {
      const source = await resource(SOURCE, "auto").create({ type: "prometheus", url: "http://127.0.0.1:9" });
      assert.match(String(source.state.name), /^auto-[0-9a-f]{7}$/);
      assert.ok(await source.refresh());
      assert.equal(await source.up({ type: "prometheus", url: "http://127.0.0.1:9" }), "same");
      await source.delete();
    });

    it("refuses headers that are hidden in the JSON", async () => {
      await assert.rejects(
        resource(SOURCE, "h").create({ ...inputs, jsonDataEncoded: '{"httpHeaderName1":"X"}' }),
        /httpHeaderName\{num\} is a reserved key/,
      );
    });
  });

  it("makes an annotation and deletes it", async () => {
    const inputs = { text: "Release", tags: ["deploy"], time: "2026-01-02T03:04:05Z" };
    const annotation = await resource(ANNOTATION, "a").create(inputs);
    assert.match(annotation.id, /^1:\d+$/);
    assert.equal(Date.parse(String(annotation.state.time)), Date.parse(inputs.time));
    assert.equal(await annotation.up(inputs), "same");
    assert.equal(await annotation.up({ ...inputs, text: "Release 2" }), "updated");
    await annotation.delete();
    assert.deepEqual((await admin.get("/api/annotations?tags=deploy")).body, []);
  });

  describe("the provider", () => {
    it("takes GRAFANA_URL and GRAFANA_AUTH, and calls a token's resources 0:uid", async () => {
      const made = (await admin.post("/api/serviceaccounts", { name: "pipeline", role: "Admin" })).body as {
        id: number;
      };
      const token = (await admin.post(`/api/serviceaccounts/${made.id}/tokens`, { name: "t" })).body as { key: string };
      const other = await configured({}, { GRAFANA_URL: server.url, GRAFANA_AUTH: token.key });
      const folder = await new Resource(other, FOLDER, "t").create({ title: "T", uid: "by-token" });
      assert.equal(folder.id, "0:by-token");
      await folder.delete();
    });

    it("takes a login of the environment into the provider's inputs, unless the program gives one", async () => {
      const env = { GRAFANA_URL: server.url, GRAFANA_AUTH: "admin:of-the-environment", GRAFANA_RETRIES: "5" };
      const other = await configured({}, env);
      assert.deepEqual(await other.checkConfig({}), {
        url: server.url,
        auth: new Secret("admin:of-the-environment"),
        retries: "5",
      });
      assert.deepEqual(await other.checkConfig({ url: "http://given", auth: "anonymous", retries: 1 }), {
        url: "http://given",
        auth: new Secret("anonymous"),
        retries: "1",
      });
    });

    it("logs in by GRAFANA_HTTP_HEADERS, which no input knows, where auth is anonymous", async () => {
      const authorization = `Basic ${Buffer.from(`${server.user}:${server.password}`).toString("base64")}`;
      const env = { GRAFANA_HTTP_HEADERS: JSON.stringify({ Authorization: authorization }) };
      const other = await configured({ url: server.url, auth: "anonymous" }, env);
      const folder = await new Resource(other, FOLDER, "h").create({ title: "H", uid: "by-header" });
      assert.equal(folder.id, "0:by-header");
      // Made by a user's login before: the program may change its way to log in.
      const former = await resource(FOLDER, "former").create({ title: "Former", uid: "former" });
      const same = new Resource(other, FOLDER, "former");
      Object.assign(same, { id: former.id, state: former.state, inputs: former.inputs });
      assert.ok(await same.refresh());
      assert.equal(await same.up({ title: "Renamed", uid: "former" }), "updated");
      await same.delete();
      await folder.delete();
      const kept = await other.checkConfig({ url: server.url, auth: "anonymous" });
      assert.deepEqual(Object.keys(kept).sort(), ["auth", "url"]);
    });

    it("says what is missing when nobody named a Grafana", async () => {
      const other = await configured({});
      await assert.rejects(
        new Resource(other, FOLDER, "x").create({ title: "X" }),
        /the Grafana client is required.*Set the auth and url/,
      );
    });

    it("says that credentials are wrong without showing them", async () => {
      const other = await configured({ url: server.url, auth: "admin:hidden-word" });
      await assert.rejects(new Resource(other, FOLDER, "x").create({ title: "X" }), (error) => {
        assert.match(String(error), /\[401\] createFolderUnauthorized .*Invalid username or password/);
        assert.doesNotMatch(String(error), /hidden-word/);
        return true;
      });
    });

    it("tries again when Grafana is away for a moment", async () => {
      const other = await configured({ url: server.url, auth: `${server.user}:${server.password}`, retries: 6 });
      const restarting = server.restart();
      const folder = await new Resource(other, FOLDER, "retried").create({ title: "Retried", uid: "retried" });
      await restarting;
      await folder.delete();
    });

    it("refuses by name what it does not implement", async () => {
      await assert.rejects(
        resource(SOURCE, "x").create({ type: "prometheus", privateDataSourceConnectNetworkId: "1" }),
        /does not implement input/,
      );
    });
  });

  describe("RuleGroup", () => {
    it("puts the whole group, reads it back, and deletes it rule by rule", async () => {
      const folder = await resource(FOLDER, "rules").create({ title: "Rules", uid: "rules" });
      const model = JSON.stringify({ refId: "A", type: "math", expression: "1 > 2" });
      const range = { from: 60, to: 0 };
      const datas = [{ refId: "A", datasourceUid: "__expr__", relativeTimeRange: range, model }];
      const rule = { name: "Down", condition: "A", for: "1m", labels: { severity: "critical" }, datas };
      const inputs = { folderUid: "rules", name: "audit", intervalSeconds: 10, rules: [rule] };
      const group = await resource("grafana:alerting/ruleGroup:RuleGroup", "g").create(inputs);
      assert.equal(group.id, "1:rules:audit");
      assert.equal(await group.up(inputs), "same");
      assert.equal(await group.up({ ...inputs, intervalSeconds: 20 }), "updated");
      await group.delete();
      assert.deepEqual((await admin.get("/api/v1/provisioning/alert-rules")).body, []);
      await folder.delete();
    });
  });

  // In a suite of its own, as mocha runs a suite's own tests before those of the suites within.
  describe("Grafana's published description", () => {
    it("has all that was asked and answered above, and nothing else was", async () => {
      assertDescribed(server, await GrafanaDescription.load());
    });
  });
});
