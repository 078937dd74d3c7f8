/* eslint-disable @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-call,
   @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-return -- the shape of the answers is what is tested here */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { GrafanaDescription, assertDescribed } from "./support/grafana-description.js";
import { GrafanaClient, grafanaUnderTest, type GrafanaUnderTest } from "./support/grafana-under-test.js";

/**
 * The HTTP API as Grafana documents it: status codes and bodies. Runs against the stand-in, and against a real Grafana when
 * AUDIT_TEST_GRAFANA_URL and AUDIT_TEST_GRAFANA_AUTH name one; every test makes and removes what it needs under names of its own.
 */
describe("Grafana's HTTP API", function () {
  this.timeout(60_000);
  const unique = (name: string) => `${name}-${randomBytes(4).toString("hex")}`;
  let server: GrafanaUnderTest;
  let admin: GrafanaClient;
  const undo: (() => Promise<unknown>)[] = [];

  before(async () => {
    server = await grafanaUnderTest();
    admin = GrafanaClient.admin(server);
  });
  afterEach(async () => {
    for (const step of undo.splice(0).reverse()) await step();
  });
  after(() => server.stop());

  async function folder(title = unique("Folder")) {
    const { status, body } = await admin.post("/api/folders", { uid: unique("f"), title });
    assert.equal(status, 200);
    undo.push(() => admin.delete(`/api/folders/${body.uid}`));
    return body as { uid: string; id: number; title: string; url: string; version: number };
  }

  async function dashboard(model: Record<string, unknown> = {}, folderUid = "") {
    const uid = unique("d");
    const answer = await admin.post("/api/dashboards/db", {
      dashboard: { uid, title: `Board ${uid}`, panels: [], ...model },
      folderUid,
    });
    assert.equal(answer.status, 200);
    undo.push(() => admin.delete(`/api/dashboards/uid/${uid}`));
    return answer.body as { uid: string; id: number; version: number; url: string; slug: string };
  }

  async function account(role: string) {
    const made = await admin.post("/api/serviceaccounts", { name: unique("robot"), role });
    assert.equal(made.status, 201);
    undo.push(() => admin.delete(`/api/serviceaccounts/${made.body.id}`));
    const token = await admin.post(`/api/serviceaccounts/${made.body.id}/tokens`, { name: "key" });
    assert.equal(token.status, 200);
    return { id: made.body.id as number, key: token.body.key as string, tokenId: token.body.id as number };
  }

  describe("health and credentials", () => {
    it("tells its health to everybody", async () => {
      const { status, body } = await GrafanaClient.nobody(server).get("/api/health");
      assert.equal(status, 200);
      assert.equal(body.database, "ok");
      assert.equal(typeof body.version, "string");
    });

    it("answers 401 without credentials, with wrong ones and with a key that nobody has", async () => {
      const nobody = await GrafanaClient.nobody(server).get("/api/org");
      assert.deepEqual([nobody.status, nobody.body.message], [401, "Unauthorized"]);
      const wrong = await GrafanaClient.basic(server, server.user, "not-it").get("/api/org");
      assert.deepEqual([wrong.status, wrong.body.message], [401, "Invalid username or password"]);
      const key = await GrafanaClient.token(server, "glsa_nobodys").get("/api/org");
      assert.deepEqual([key.status, key.body.message], [401, "Invalid API key"]);
    });

    it("knows the caller's organisation", async () => {
      const { status, body } = await admin.get("/api/org");
      assert.deepEqual([status, body.id, typeof body.name], [200, 1, "string"]);
    });

    it("lets a service account do what its role may, until its token is deleted", async () => {
      const viewer = await account("Viewer");
      const client = GrafanaClient.token(server, viewer.key);
      assert.equal((await client.get("/api/search")).status, 200);
      const refused = await client.post("/api/folders", { title: unique("no") });
      assert.equal(refused.status, 403);
      assert.match(refused.body.message, /additional permissions/);
      const editor = await account("Editor");
      const made = await GrafanaClient.token(server, editor.key).post("/api/folders", {
        title: unique("by an editor"),
      });
      assert.equal(made.status, 200);
      undo.push(() => admin.delete(`/api/folders/${made.body.uid}`));
      assert.equal(
        (
          await GrafanaClient.token(server, editor.key).post("/api/datasources", {
            name: "x",
            type: "prometheus",
            access: "proxy",
          })
        ).status,
        403,
      );
      const gone = await admin.delete(`/api/serviceaccounts/${viewer.id}/tokens/${viewer.tokenId}`);
      assert.deepEqual([gone.status, gone.body.message], [200, "Service account token deleted"]);
      assert.equal((await client.get("/api/search")).status, 401);
    });

    it("tells a caller what it may do", async () => {
      const permissions = "/api/access-control/user/permissions";
      const { key } = await account("Editor");
      const editor = (await GrafanaClient.token(server, key).get(permissions)).body;
      for (const right of ["folders:create", "dashboards:create"]) assert.ok(right in editor, right);
      assert.ok(!("datasources:create" in editor));
      assert.ok("datasources:create" in (await admin.get(permissions)).body);
    });

    it("lets a token expire", async () => {
      const { id } = await account("Viewer");
      const { body } = await admin.post(`/api/serviceaccounts/${id}/tokens`, { name: "short", secondsToLive: 1 });
      const client = GrafanaClient.token(server, body.key as string);
      assert.equal((await client.get("/api/org")).status, 200);
      await new Promise((resolve) => setTimeout(resolve, 1500));
      assert.equal((await client.get("/api/org")).status, 401);
    });
  });

  describe("folders", () => {
    it("makes, shows, lists and deletes", async () => {
      const made = await folder("Audit things");
      const { status, body } = await admin.get(`/api/folders/${made.uid}`);
      assert.equal(status, 200);
      assert.equal(body.title, "Audit things");
      assert.ok(String(body.url).endsWith(`/dashboards/f/${made.uid}/audit-things`));
      assert.ok((await admin.get("/api/folders")).body.some((entry: { uid: string }) => entry.uid === made.uid));
      const gone = await admin.delete(`/api/folders/${made.uid}`);
      assert.equal(gone.status, 200);
      const missing = await admin.get(`/api/folders/${made.uid}`);
      assert.equal(missing.status, 404);
      assert.match(missing.body.message, /folder not found/i);
    });

    it("refuses a second one of the same uid, an empty title and a uid with strange characters", async () => {
      const made = await folder();
      // 412 by the folders of Grafana 12 and later.
      assert.ok([409, 412].includes((await admin.post("/api/folders", { uid: made.uid, title: "again" })).status));
      assert.equal((await admin.post("/api/folders", { title: "" })).status, 400);
      assert.equal((await admin.post("/api/folders", { title: "x", uid: "a b" })).status, 400);
    });

    it("refuses an update of an old version unless it overwrites", async () => {
      const made = await folder();
      const stale = await admin.put(`/api/folders/${made.uid}`, { title: "new", version: 99 });
      assert.equal(stale.status, 412);
      assert.equal(stale.body.status, "version-mismatch");
      const forced = await admin.put(`/api/folders/${made.uid}`, { title: "new", overwrite: true });
      assert.deepEqual([forced.status, forced.body.title], [200, "new"]);
    });

    it("takes its dashboards along when it is deleted", async () => {
      const { uid } = await folder();
      const board = await dashboard({}, uid);
      assert.equal((await admin.delete(`/api/folders/${uid}`)).status, 200);
      assert.equal((await admin.get(`/api/dashboards/uid/${board.uid}`)).status, 404);
    });
  });

  describe("dashboards", () => {
    it("makes one and gives back the model with what it filled in", async () => {
      const { uid: folderUid, title } = await folder();
      const made = await dashboard({ tags: ["audit"], title: "My Board: 100%" }, folderUid);
      assert.deepEqual([made.version, made.slug], [1, "my-board-100"]);
      assert.ok(made.url.endsWith(`/d/${made.uid}/my-board-100`));
      const { status, body } = await admin.get(`/api/dashboards/uid/${made.uid}`);
      assert.equal(status, 200);
      assert.deepEqual([body.dashboard.id, body.dashboard.uid, body.dashboard.version], [made.id, made.uid, 1]);
      assert.deepEqual([body.meta.folderUid, body.meta.folderTitle, body.meta.isFolder], [folderUid, title, false]);
      const hits = (await admin.get(`/api/search?type=dash-db&folderUIDs=${folderUid}`)).body;
      assert.deepEqual(
        hits.map((hit: { uid: string; type: string; tags: string[] }) => [hit.uid, hit.type, hit.tags]),
        [[made.uid, "dash-db", ["audit"]]],
      );
    });

    it("answers 412 to a save that does not know the stored version, and counts up for one that does", async () => {
      const made = await dashboard();
      const model = { uid: made.uid, title: "changed" };
      const blind = await admin.post("/api/dashboards/db", { dashboard: model });
      assert.equal(blind.status, 412);
      assert.deepEqual(blind.body.status, "version-mismatch");
      const right = await admin.post("/api/dashboards/db", { dashboard: { ...model, version: 1 } });
      assert.deepEqual([right.status, right.body.version, right.body.status], [200, 2, "success"]);
      const stale = await admin.post("/api/dashboards/db", { dashboard: { ...model, version: 1, title: "mine" } });
      assert.equal(stale.status, 412);
      const forced = await admin.post("/api/dashboards/db", {
        dashboard: { ...model, title: "forced" },
        overwrite: true,
      });
      assert.deepEqual([forced.status, forced.body.version], [200, 3]);
    });

    it("answers 400 to an empty title and a folder that is not there, 404 to an id that is not there", async () => {
      const empty = await admin.post("/api/dashboards/db", { dashboard: { title: "" } });
      assert.deepEqual([empty.status, empty.body.status], [400, "empty-name"]);
      assert.ok(
        [400, 404].includes(
          (await admin.post("/api/dashboards/db", { dashboard: { title: "t" }, folderUid: "nowhere" })).status,
        ),
      );
      assert.equal(
        (await admin.post("/api/dashboards/db", { dashboard: { id: 987_654_321, title: "t" } })).status,
        404,
      );
    });

    it("deletes one, and has nothing to delete the second time", async () => {
      const made = await dashboard();
      assert.equal((await admin.delete(`/api/dashboards/uid/${made.uid}`)).status, 200);
      const again = await admin.delete(`/api/dashboards/uid/${made.uid}`);
      assert.equal(again.status, 404);
      assert.match(again.body.message, /dashboard not found/i);
    });
  });

  describe("data sources", () => {
    const source = (name: string) => ({
      name,
      uid: name,
      type: "prometheus",
      access: "proxy",
      url: "http://127.0.0.1:9",
      jsonData: { httpMethod: "POST", httpHeaderName1: "X-Key" },
      secureJsonData: { httpHeaderValue1: "very-secret" },
    });

    it("keeps secrets to itself", async () => {
      const name = unique("prom");
      const made = await admin.post("/api/datasources", source(name));
      assert.deepEqual([made.status, made.body.message, made.body.name], [200, "Datasource added", name]);
      undo.push(() => admin.delete(`/api/datasources/uid/${name}`));
      const shown = await admin.get(`/api/datasources/uid/${name}`);
      assert.deepEqual(shown.body.secureJsonFields, { httpHeaderValue1: true });
      assert.equal(shown.body.secureJsonData, undefined);
      assert.doesNotMatch(
        JSON.stringify([made.body, shown.body, (await admin.get("/api/datasources")).body]),
        /very-secret/,
      );
    });

    it("answers 409 to a name in use and 404 to one that is not there", async () => {
      const name = unique("prom");
      await admin.post("/api/datasources", source(name));
      undo.push(() => admin.delete(`/api/datasources/uid/${name}`));
      assert.equal((await admin.post("/api/datasources", source(name))).status, 409);
      const missing = await admin.get("/api/datasources/uid/not-there");
      assert.deepEqual([missing.status, missing.body.message], [404, "Data source not found"]);
      assert.equal((await admin.delete("/api/datasources/uid/not-there")).status, 404);
    });

    it("updates one and keeps the secrets that the update leaves out", async () => {
      const name = unique("prom");
      await admin.post("/api/datasources", source(name));
      undo.push(() => admin.delete(`/api/datasources/uid/${name}`));
      const open = { ...source(name), secureJsonData: undefined };
      const changed = await admin.put(`/api/datasources/uid/${name}`, { ...open, url: "http://127.0.0.1:10" });
      assert.deepEqual([changed.status, changed.body.message], [200, "Datasource updated"]);
      const shown = await admin.get(`/api/datasources/uid/${name}`);
      assert.deepEqual(
        [shown.body.url, shown.body.secureJsonFields],
        ["http://127.0.0.1:10", { httpHeaderValue1: true }],
      );
    });

    it("reports a source that does not answer inside the result, with an error status", async () => {
      const name = unique("prom");
      await admin.post("/api/datasources", source(name));
      undo.push(() => admin.delete(`/api/datasources/uid/${name}`));
      const query = { refId: "A", datasource: { uid: name }, expr: "up", instant: true };
      const { status, body } = await admin.post("/api/ds/query", { from: "now-1m", to: "now", queries: [query] });
      assert.ok(status >= 400);
      assert.equal(typeof body.results.A.error, "string");
    });
  });

  describe("annotations", () => {
    it("makes, finds by time, tag and dashboard, changes and deletes", async () => {
      const { uid } = await dashboard();
      const now = Date.now();
      const made = await admin.post("/api/annotations", {
        dashboardUID: uid,
        time: now,
        timeEnd: now + 1000,
        tags: ["deploy", uid],
        text: "Release 1",
      });
      assert.deepEqual([made.status, made.body.message], [200, "Annotation added"]);
      const find = async (query: string) =>
        (await admin.get(`/api/annotations?${query}`)).body.map((entry: { id: number }) => entry.id);
      assert.deepEqual(await find(`tags=${uid}`), [made.body.id]);
      assert.deepEqual(await find(`dashboardUID=${uid}&from=${now - 1}&to=${now + 1}`), [made.body.id]);
      assert.deepEqual(await find(`dashboardUID=${uid}&from=${now + 5000}&to=${now + 9000}`), []);
      const patched = await admin.call("PATCH", `/api/annotations/${made.body.id}`, { text: "Release 2" });
      assert.deepEqual([patched.status, patched.body.message], [200, "Annotation patched"]);
      assert.equal((await admin.get(`/api/annotations/${made.body.id}`)).body.text, "Release 2");
      assert.equal((await admin.delete(`/api/annotations/${made.body.id}`)).status, 200);
      assert.equal((await admin.get(`/api/annotations/${made.body.id}`)).status, 404);
      assert.equal((await admin.post("/api/annotations", { text: "" })).status, 400);
    });
  });

  describe("alert rules by provisioning", () => {
    it("puts, shows and deletes a whole group", async () => {
      const { uid } = await folder();
      const rule = {
        title: "Down",
        condition: "A",
        data: [
          {
            refId: "A",
            datasourceUid: "__expr__",
            relativeTimeRange: { from: 60, to: 0 },
            model: { refId: "A", type: "math", expression: "1 > 2" },
          },
        ],
        noDataState: "NoData",
        execErrState: "Error",
        for: "1m",
        orgID: 1,
        folderUID: uid,
        ruleGroup: "audit",
      };
      const path = `/api/v1/provisioning/folder/${uid}/rule-groups/audit`;
      assert.equal((await admin.get(path)).status, 404);
      assert.equal(
        (await admin.put(path, { title: "audit", folderUid: uid, interval: 61, rules: [rule] })).status,
        400,
      );
      assert.equal(
        (await admin.put(path, { title: "audit", folderUid: uid, interval: 60, rules: [rule] })).status,
        200,
      );
      const shown = await admin.get(path);
      assert.deepEqual([shown.body.interval, shown.body.rules.length, shown.body.rules[0].title], [60, 1, "Down"]);
      const single = await admin.get(`/api/v1/provisioning/alert-rules/${shown.body.rules[0].uid}`);
      assert.equal(single.body.provenance, "api");
      assert.equal((await admin.delete(`/api/folders/${uid}`)).status, 400, "a folder with rules goes only by force");
      assert.equal((await admin.delete(path)).status, 204);
      assert.equal((await admin.get(path)).status, 404);
    });
  });

  // In a suite of its own, as mocha runs a suite's own tests before those of the suites within.
  describe("Grafana's published description", () => {
    it("has all that was asked and answered above, and nothing else was", async () => {
      assertDescribed(server, await GrafanaDescription.load());
    });
  });
});
