import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { Authority } from "../unit/support/authority";
import { httpsWith, postgresqlWith } from "./support/badly-certified";
import { mustBootstrap, rootToken, settingsOf } from "./support/bootstrap";
import { Doctor } from "./support/doctor";
import { pushForeign } from "./support/foreign-image";
import { onPostgres, StateLocks } from "./support/pipeline-checks";
import { attached } from "./support/sandbox";

/** As 84-doctor.test.ts, where breaking something takes a server, an image or an account of its own. */
describe("scenario: the doctor, of servers, images and accounts made for it", function () {
  this.timeout(120_000);
  const sandbox = attached();
  let doctor: Doctor;
  before(() => {
    doctor = new Doctor(sandbox());
  });
  after(() => doctor.close());

  it("finds certificates for another name, that have ended, and of an authority that nobody named", async () => {
    const directory = mkdtempSync(join(tmpdir(), "doctor-"));
    const [ours, theirs] = [new Authority(directory), new Authority(directory, "theirs")];
    const here = "IP:127.0.0.1";
    const servers = await Promise.all([
      httpsWith(ours.issue("DNS:vault.sandbox.test")),
      httpsWith(ours.issue(here, 0)),
      httpsWith(theirs.issue(here)),
      postgresqlWith(theirs.issue(here)),
    ]);
    const [vault = "", prometheus = "", grafana = ""] = servers.map(({ port }) => `https://127.0.0.1:${port}`);
    try {
      const env = doctor.withSettings({
        ...{ caFile: ours.file, vaultAddress: vault, prometheusUrl: prometheus, grafanaUrl: grafana },
        ...{ databaseAdminHost: "127.0.0.1", databaseAdminPort: servers[3].port },
      });
      const found = await doctor.look(env, ["certificate"]);
      const expected: Record<string, RegExp> = {
        "certificate-vaultAddress": /audit:vaultAddress \S+ has a certificate for another name/,
        "certificate-prometheusUrl": /audit:prometheusUrl \S+: .*; renew it there/,
        "certificate-grafanaUrl": /audit:grafanaUrl \S+ has a certificate that none of the authorities in audit:caFile/,
        "certificate-databaseHost": /audit:databaseAdminHost \S+ has a certificate that none of the authorities/,
      };
      for (const [id, what] of Object.entries(expected)) assert.match(found.get(id) ?? `${id} found nothing`, what);
      assert.equal(found.size, 4);
    } finally {
      servers.forEach(({ close }) => close());
      rmSync(directory, { recursive: true });
    }
  });

  it("finds who holds the lock of the state", async () => {
    const remove = await new StateLocks(sandbox()).put({ pid: 4711, username: "root", hostname: "runner-7" });
    try {
      const found = await doctor.look({}, ["stack-lock"]);
      assert.match(found.get("stack-lock") ?? "", /warning: root@runner-7 \(pid 4711\) holds the state's lock/);
    } finally {
      await remove();
    }
    assert.deepEqual([...(await doctor.look({}, ["stack-lock"]))], []);
  });

  it("finds a PostgreSQL that takes no writes", async () => {
    await onPostgres("ALTER ROLE deployer SET default_transaction_read_only = on");
    try {
      const found = await doctor.look({}, ["database-writable"]);
      assert.match(found.get("database-writable") ?? "", /failure: the server takes no writes/);
    } finally {
      await onPostgres("ALTER ROLE deployer RESET default_transaction_read_only");
    }
    assert.deepEqual([...(await doctor.look({}, ["database-writable"]))], []);
  });

  it("finds that a viewer's login to Grafana may not make dashboards", async () => {
    const account = await sandbox().grafana<{ id: number }>("POST", "serviceaccounts", {
      ...{ name: `doctor-${Date.now()}`, role: "Viewer" },
    });
    assert.ok(account, "Grafana has no service accounts");
    try {
      const made = await sandbox().grafana<{ key: string }>("POST", `serviceaccounts/${account.id}/tokens`, {
        name: "doctor",
      });
      const headers = JSON.stringify({ Authorization: `Bearer ${made?.key ?? ""}` });
      const found = await doctor.look({ GRAFANA_HTTP_HEADERS: headers }, ["grafana"]);
      assert.match(found.get("grafana-rights") ?? "", /failure: the login lacks .*dashboards:create.* the role Admin/);
      assert.deepEqual([...found.keys()], ["grafana-rights"]);
    } finally {
      await sandbox().grafana("DELETE", `serviceaccounts/${account.id}`);
    }
  });

  it("finds a policy that somebody has changed in Vault", async () => {
    writeFileSync(doctor.vaultSettings, JSON.stringify(settingsOf(sandbox())), { mode: 0o600 });
    const look = () =>
      doctor.look({ VAULT_TOKEN: rootToken() }, ["vault-bootstrap"], "--vault-settings", doctor.vaultSettings);
    assert.equal((await look()).get("vault-bootstrap"), undefined);
    const policy = 'path "secret/*" {\n  capabilities = ["read"]\n}\n';
    try {
      await sandbox().vault("PUT", "sys/policies/acl/audit-ci-preview", { policy }, rootToken());
      const found = await look();
      assert.match(found.get("vault-bootstrap") ?? "", /failure: bootstrap would change: policy audit-ci-preview/);
    } finally {
      await mustBootstrap(sandbox());
    }
    assert.equal((await look()).get("vault-bootstrap"), undefined);
  });

  it("finds an image that is built for another processor than the VM's", async () => {
    const { config } = parse(readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as {
      config: Record<string, string>;
    };
    const image = await pushForeign(config["audit:image"] ?? "", "s390x");
    const found = await doctor.look(doctor.withSettings({ image }), ["images-platform"]);
    assert.match(found.get("images-platform") ?? "", /failure: built for s390x, and the VM is (amd64|arm64)/);
    assert.deepEqual([...found.keys()], ["images-platform"]);
  });

  it("warns of an image that listens on every address where the Docker Engine does not shield it", async () => {
    const version = (await sandbox().docker("version", "--format", "{{.Server.Version}}")).trim();
    const found = await doctor.look(doctor.withSettings({ reloadOn: "main" }), ["vm-docker-version"]);
    const shields = Number(version.split(".")[0]) >= 28;
    assert.equal(found.has("vm-docker-version"), !shields, version);
    if (!shields) assert.match(found.get("vm-docker-version") ?? "", /warning: with Docker \d+\.\S+, a neighbour/);
  });

  it("finds a runner that lets nobody have a user namespace", async () => {
    // In a namespace that may have no further one, unless this machine forbids them by itself.
    const inside = `echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"`;
    const script = `if unshare --user --map-root-user true; then set -- unshare --user --map-root-user sh -c '${inside}' sh "$@"; fi; exec "$@"`;
    const words = ["sh", "-c", script, "sh", ...doctor.words(["gitlab-runner"])];
    const found = await doctor.run(words, { CI: "true" });
    assert.match(found.get("gitlab-runner") ?? "", /failure: this runner lets nobody have a user namespace/);
  });
});
