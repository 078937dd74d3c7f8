import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createApp } from "../grafana/server/app.js";
import { readSettings } from "../grafana/server/settings.js";
import { GrafanaClient, type GrafanaUnderTest, startStandIn } from "./support/grafana-under-test.js";

const PAGES = { script: "", style: "" };

describe("The preview's memory", function () {
  this.timeout(30_000);
  let dataDir: string;
  let server: GrafanaUnderTest;

  beforeEach(async () => {
    dataDir = mkdtempSync(join(tmpdir(), "grafana-memory-"));
    server = await startStandIn({ GF_PATHS_DATA: dataDir });
  });
  afterEach(async () => {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  });

  it("survives a restart: folders, dashboards, sources with their secrets, annotations, tokens, sessions", async () => {
    const admin = GrafanaClient.admin(server);
    await admin.post("/api/folders", { uid: "f", title: "F" });
    await admin.post("/api/dashboards/db", { dashboard: { uid: "d", title: "D" }, folderUid: "f" });
    await admin.post("/api/datasources", {
      uid: "p",
      name: "P",
      type: "prometheus",
      secureJsonData: { basicAuthPassword: "deep-secret" },
    });
    await admin.post("/api/annotations", { dashboardUID: "d", text: "A" });
    const account = (await admin.post("/api/serviceaccounts", { name: "sa", role: "Viewer" })).body as { id: number };
    const { key } = (await admin.post(`/api/serviceaccounts/${account.id}/tokens`, { name: "t" })).body as {
      key: string;
    };
    const login = await GrafanaClient.nobody(server).post("/login", { user: server.user, password: server.password });
    const cookie = login.headers.get("set-cookie")?.split(";")[0] ?? "";

    await server.restart();
    for (const path of ["/api/folders/f", "/api/dashboards/uid/d", "/api/datasources/uid/p"]) {
      assert.equal((await admin.get(path)).status, 200, path);
    }
    assert.equal(((await admin.get("/api/annotations?dashboardUID=d")).body as unknown[]).length, 1);
    assert.equal((await GrafanaClient.token(server, key).get("/api/org")).status, 200);
    assert.equal((await GrafanaClient.nobody(server).call("GET", "/api/org", undefined, { cookie })).status, 200);
    // New records must not take the numbers of old ones.
    const next = (await admin.post("/api/folders", { title: "G" })).body as { id: number };
    assert.ok(next.id > account.id);
  });

  it("keeps no password and no token in plain text, and its file to itself", async () => {
    const admin = GrafanaClient.admin(server);
    const account = (await admin.post("/api/serviceaccounts", { name: "sa", role: "Viewer" })).body as { id: number };
    const { key } = (await admin.post(`/api/serviceaccounts/${account.id}/tokens`, { name: "t" })).body as {
      key: string;
    };
    const file = join(dataDir, "grafana-preview.json");
    const text = readFileSync(file, "utf8");
    assert.ok(!text.includes(server.password) && !text.includes(key));
    assert.equal(statSync(file).mode & 0o077, 0);
  });

  it("keeps the administrator's first password whatever the environment says later, as Grafana does", async () => {
    const later = createApp(readSettings({ GF_PATHS_DATA: dataDir, GF_SECURITY_ADMIN_PASSWORD: "another" }), PAGES);
    const ask = (password: string) =>
      later.inject({
        url: "/api/org",
        headers: { authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}` },
      });
    assert.equal((await ask("another")).statusCode, 401);
    assert.equal((await ask(server.password)).statusCode, 200);
    await later.close();
  });

  it("does not overwrite a file that it cannot read", () => {
    const file = join(dataDir, "grafana-preview.json");
    writeFileSync(file, "{ torn");
    assert.throws(
      () => createApp(readSettings({ GF_PATHS_DATA: dataDir }), PAGES),
      /is not readable .* move it away to start with an empty store/,
    );
    assert.equal(readFileSync(file, "utf8"), "{ torn");
  });

  it("is reached below the root URL's path, and its links lie there", async () => {
    const other = await startStandIn({
      GF_SERVER_ROOT_URL: "http://localhost/grafana/",
      GF_SERVER_SERVE_FROM_SUB_PATH: "true",
    });
    try {
      const admin = GrafanaClient.admin(other);
      const made = await admin.post("/grafana/api/dashboards/db", { dashboard: { uid: "d", title: "My D" } });
      assert.equal((made.body as { url: string }).url, "/grafana/d/d/my-d");
      const page = await admin.get("/grafana/d/d/my-d");
      assert.equal(page.status, 200);
      assert.match(String(page.body), /src="\/grafana\/preview\/app\.js/);
      const stranger = await GrafanaClient.nobody(other).get("/grafana/d/d/my-d");
      assert.equal(stranger.headers.get("location"), "/grafana/login?redirectTo=%2Fgrafana%2Fd%2Fd%2Fmy-d");
    } finally {
      await other.stop();
    }
  });
});
