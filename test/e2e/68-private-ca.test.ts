import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { bootstrap, mustBootstrap } from "./support/bootstrap";
import { Deploys, type Change } from "./support/deploys";
import { attached, platform, platformSubnet, run, until } from "./support/sandbox";
import { TlsFront } from "./support/tls-front";

// The front's address is what Vault sees.
const hostCidr = `${platformSubnet}.0/24`;

describe("scenario: every server has a certificate from a company's own authority", function () {
  this.timeout(600_000);
  const sandbox = attached();
  let front: TlsFront;
  let deploys: Deploys;
  let overTls: Change;

  const onVm2 = (script: string) =>
    run(["docker", "exec", platform("vm2"), "sh", "-euc", script], { ...process.env, DOCKER_HOST: undefined });
  const certificates = () => `/etc/docker/certs.d/${front.host("registry")}`;
  /** Restores VM2: it does not trust the registry and has none of its images. */
  const forget = () =>
    onVm2(
      `rm -rf ${certificates()}; docker images --digests --format '{{.Repository}}@{{.Digest}}' | ` +
        `grep '^${front.host("registry")}/' | xargs -r docker rmi`,
    );
  /** Stores an event through the edge and reads it back. */
  const eventGoesRound = async () => {
    const id = randomUUID();
    const event = {
      ...{ id, application: "demo", actor: `tls-${id}`, action: "try", resource: "tls", outcome: "success" },
      occurredAt: new Date().toISOString(),
    };
    const token = sandbox().get("AUDIT_TOKEN");
    const stored = await sandbox().edge("/v1/events", { method: "POST", token, body: JSON.stringify(event) });
    assert.equal(stored.status, 201, stored.body);
    const found = await sandbox().edge(`/v1/events?actor=tls-${id}`, { token: sandbox().get("AUDIT_READ_TOKEN") });
    assert.match(found.body, new RegExp(id));
  };

  before(async () => {
    front = await TlsFront.start();
    await forget();
    deploys = new Deploys(sandbox());
    overTls = {
      vaultAddress: front.url("vault"),
      vaultAgentAddress: front.url("vault"),
      hostCidr,
      prometheusUrl: front.url("prometheus"),
      grafanaUrl: front.url("grafana"),
      grafanaPrometheusUrl: front.url("prometheus"),
      image: deploys.original.image.replace(/^[^/]+/, front.host("registry")),
    };
  });
  after(async () => {
    await mustBootstrap(sandbox());
    const { code, output } = await deploys.up();
    deploys.close();
    await forget();
    await front.stop();
    assert.equal(code, 0, output);
  });

  it("is refused without the setting, by its name, before anything is changed", async () => {
    await mustBootstrap(sandbox(), { stack: { hostCidr } });
    const before = await deploys.containers();
    const { code, output } = await deploys.up({ ...overTls, caFile: "" });
    assert.notEqual(code, 0);
    for (const key of ["vaultAddress", "databaseAdminHost", "prometheusUrl", "grafanaUrl"]) {
      assert.match(
        output,
        new RegExp(`audit:${key} \\S+ has a certificate that no known authority has signed .* in audit:caFile`),
      );
    }
    assert.deepEqual(await deploys.containers(), before);
  });

  it("is refused while VM2's engine does not trust the registry, with the place for the authority", async () => {
    const { code, output } = await deploys.up(overTls);
    assert.notEqual(code, 0);
    assert.match(output, /does not trust the certificate of \S+:5000: .*x509/);
    assert.ok(output.includes(`into ${certificates()}/ca.crt there`), output);
    await eventGoesRound();
  });

  it("deploys with it, and an event goes through", async () => {
    const pem = readFileSync(front.authority, "utf8");
    const written = await onVm2(`mkdir -p ${certificates()} && printf %s '${pem}' > ${certificates()}/ca.crt`);
    assert.equal(written.code, 0, written.output);
    await deploys.mustUp(overTls);
    await eventGoesRound();
    const { code, output } = await deploys.up(overTls, ["--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("verifies the service's connections, and Vault's when it creates their logins", async () => {
    await mustBootstrap(sandbox(), { stack: { hostCidr, databaseCredentials: "dynamic" } });
    await deploys.mustUp({ ...overTls, databaseCredentials: "dynamic" });
    await eventGoesRound();
    const file = await sandbox().docker("exec", "audit-svc-agent", "cat", "/run/audit/config.json");
    const { database } = JSON.parse(file) as { database: Record<string, string> };
    assert.equal(database.sslmode, "verify-full");
    assert.equal(database.caCertificate, readFileSync(front.authority, "utf8"));
    assert.match(database.user ?? "", /^v-approle-/);
    // Only a superuser may see other users' connections.
    const sql =
      "SELECT DISTINCT s.ssl FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid) " +
      "WHERE a.datname = 'audit' AND a.backend_type = 'client backend' AND a.client_addr IS NOT NULL";
    const psql = ["docker", "exec", platform("postgres"), "psql", "-XAtqU", "postgres", "-c", sql];
    const { stdout } = await run(psql, { ...process.env, DOCKER_HOST: undefined });
    assert.equal(stdout, "t\n");
    await until("the agent is healthy", 60, async () => {
      const state = await sandbox().docker("inspect", "--format", "{{.State.Health.Status}}", "audit-svc-agent");
      return state === "healthy" ? true : undefined;
    });
  });

  it("works for the administrator's command, which names the cure if the authority is not set", async () => {
    const check = (env: NodeJS.ProcessEnv) =>
      bootstrap(
        sandbox(),
        { stack: { hostCidr, databaseCredentials: "dynamic" } },
        { args: ["--check"], env: { VAULT_ADDR: front.url("vault"), ...env } },
      );
    assert.match((await check({})).output, /no known authority has signed its certificate: name yours in audit:caFile/);
    assert.match((await check({ NODE_EXTRA_CA_CERTS: front.authority })).output, /^nothing to change$/m);
  });
});
