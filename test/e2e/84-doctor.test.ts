import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { Doctor } from "./support/doctor";
import { Gitlab } from "./support/gitlab";
import { mistimed } from "./support/mistimed";
import { onHere, onVm2 } from "./support/pipeline";
import { onPostgres } from "./support/pipeline-checks";
import { attached, platform, platformNetwork, platformSubnet, root, run, until } from "./support/sandbox";

/**
 * `audit doctor` in a world in which things are really broken, some at a time: each is named by its check, and nothing
 * else of that group fails. 84-doctor-more.test.ts breaks what takes more than a setting, test/unit/cli/doctor the rest.
 */
describe("scenario: the doctor", function () {
  this.timeout(120_000);
  const sandbox = attached();
  let helper: Doctor;
  before(() => {
    helper = new Doctor(sandbox());
  });
  after(() => helper.close());
  const doctor: Doctor["look"] = (...args) => helper.look(...args);
  const withSettings: Doctor["withSettings"] = (settings) => helper.withSettings(settings);
  const unseal = () =>
    (JSON.parse(readFileSync(join(root, ".sandbox/vault.json"), "utf8")) as { unsealKey: string }).unsealKey;

  it("finds nothing wrong with what is up, within 15 s", async () => {
    const started = performance.now();
    assert.deepEqual([...(await doctor())], []);
    assert.ok(performance.now() - started < 15_000, `${performance.now() - started} ms`);
  });

  it("finds settings that lead nowhere", async () => {
    const { config } = parse(readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8")) as { config: Record<string, string> }; // prettier-ignore
    await sandbox().docker("network", "create", "--subnet", "172.28.96.0/24", "doctor-other");
    const found = await doctor(
      withSettings({
        ...{ edgePort: 22, networkPrefix: "172.28", networkMtu: 9000, replicas: 16, memory: 60_000 },
        exporterImage: `${config["audit:exporterImage"]?.split("@")[0] ?? ""}@sha256:${"1".repeat(64)}`,
        ...{ databaseHost: "nobody.sandbox.test", databaseName: "pulumi_state", databaseDriftUser: "nobody" },
        ...{ vaultAgentAddress: "http://vault.sandbox.test:8299", vaultMount: "nowhere", vaultPath: "audit-svc/other" },
        ...{ grafanaPrometheusUrl: undefined, grafanaDataSource: "nowhere" },
      }),
    ).finally(() => sandbox().docker("network", "rm", "doctor-other"));
    const expected: Record<string, RegExp> = {
      "vm-ports": /22 \(audit:edgePort\)/,
      "vm-memory": /MiB needed/,
      "vm-reaches-postgresql": /nobody\.sandbox\.test:5432/,
      "vm-reaches-vault": /vault\.sandbox\.test:8299/,
      "networks-subnets": /doctor-other has 172\.28\.96\.0\/24/,
      "networks-mtu": /9000/,
      "images-exporterImage": /cannot pull/,
      "database-names": /belongs to/,
      "database-drift": /no role nobody/,
      "database-connections": /max_connections/,
      "vault-mount": /no KV version 2 at nowhere/,
      "vault-rights": /may not create nowhere\/data/,
      "vault-agents": /differs/,
      "grafana-source": /no data source nowhere/,
    };
    for (const [id, what] of Object.entries(expected)) assert.match(found.get(id) ?? `${id} found nothing`, what);
  });

  it("finds a VM, a Prometheus and a Grafana that are not there", async () => {
    const found = await doctor(
      withSettings({ hostAddress: "ssh://deploy@127.0.0.1:1", prometheusUrl: "http://127.0.0.1:1", grafanaUrl: "http://127.0.0.1:1", prometheusHost: "ssh://deploy@127.0.0.1:1" }), // prettier-ignore
    );
    for (const id of ["vm-ssh", "prometheus-answers", "prometheus-host", "grafana-answers"])
      assert.ok(found.has(id), id);
    assert.equal(found.size, 4, "of what depends on them it says nothing");
  });

  it("finds logins that are missing, and a state whose secrets nobody has encrypted", async () => {
    const file = readFileSync(sandbox().get("PULUMI_OPTION_CONFIG_FILE"), "utf8");
    writeFileSync(helper.changed, file.replace(/^(secretsprovider|encryptedkey):.*\n/gm, ""));
    const found = await doctor({ PULUMI_OPTION_CONFIG_FILE: helper.changed, PGPASSWORD: "" }, ["stack-logins", "stack-encryption"]); // prettier-ignore
    assert.match(found.get("stack-logins") ?? "", /PGPASSWORD not set/);
    assert.match(found.get("stack-encryption") ?? "", /names no key for the secrets/);
  });

  it("finds logins that are refused", async () => {
    const found = await doctor({
      ...{ PGPASSWORD: "wrong-password", VAULT_TOKEN: "wrong-token", AUDIT_REGISTRY_PASSWORD: "wrong-password" },
      GRAFANA_HTTP_HEADERS: '{"Authorization":"Bearer wrong-token"}',
      PULUMI_BACKEND_URL: sandbox()
        .get("PULUMI_BACKEND_URL")
        .replace(/:[^:@/]+@/, ":wrong-password@"),
    });
    assert.match(found.get("database-login") ?? "", /PGPASSWORD must be/);
    assert.match(found.get("vault-token") ?? "", /refuses VAULT_TOKEN/);
    assert.match(found.get("grafana-login") ?? "", /refuses the login/);
    assert.match(found.get("stack-state") ?? "", /cannot be read/);
    assert.match(found.get("images-image") ?? "", /could not pull it again/);
  });

  it("finds rights that were taken away in PostgreSQL, and gives them as SQL", async () => {
    await onPostgres("ALTER ROLE deployer NOCREATEROLE NOCREATEDB");
    await onPostgres("ALTER ROLE deployer RESET createrole_self_grant");
    await onPostgres("ALTER ROLE drift CREATEDB");
    try {
      const found = await doctor({}, ["database"]);
      assert.match(found.get("database-drift") ?? "", /ALTER ROLE drift NOSUPERUSER/);
      const sql = [...(found.get("database-rights") ?? "").matchAll(/ALTER ROLE [^;]*;/g)].map(([text]) => text);
      assert.equal(sql.length, 3, found.get("database-rights"));
      for (const statement of sql) await onPostgres(statement);
      assert.ok(!(await doctor({}, ["database-rights"])).has("database-rights"), "its SQL is the cure");
    } finally {
      await onPostgres("ALTER ROLE deployer CREATEROLE CREATEDB");
      await onPostgres("ALTER ROLE deployer SET createrole_self_grant = 'set, inherit'");
      await onPostgres("ALTER ROLE drift NOCREATEDB");
    }
  });

  it("finds a policy that is gone from Vault, and a Vault that is sealed", async () => {
    try {
      await sandbox().vault("DELETE", "sys/policies/acl/audit-svc", undefined, rootToken());
      await sandbox().vault("DELETE", "auth/jwt/role/audit-ci-deploy", undefined, rootToken());
      const found = await doctor({}, ["vault"]);
      assert.match(found.get("vault-agents") ?? "", /policy audit-svc: written/);
      const asRoot = await doctor({ VAULT_TOKEN: rootToken() }, ["vault-jwt"]);
      assert.match(asRoot.get("vault-jwt") ?? "", /no JWT role audit-ci-deploy/);
      await sandbox().vault("PUT", "sys/seal", undefined, rootToken());
      const sealed = await doctor({}, ["vault"]);
      assert.deepEqual([...sealed.keys()], ["vault-seal"]);
    } finally {
      await sandbox().vault("PUT", "sys/unseal", { key: unseal() });
      await mustBootstrap(sandbox());
    }
  });

  it("finds a VM with a full disk, a small MTU, a route into the containers' range, and a clock that is behind", async () => {
    const late = "/usr/local/bin/date";
    await onVm2(
      `printf '#!/bin/sh\\nexec /usr/bin/date -d "2 minutes ago" "$@"\\n' > ${late}; chmod 755 ${late}; ` +
        "mount -t tmpfs -o size=1m full /var/lib/docker; ip link set eth0 mtu 1400; ip route add 172.29.96.0/24 dev eth0 metric 900; ip route add 192.168.90.0/24 dev eth0",
    );
    try {
      const found = await doctor({}, ["vm-disk", "networks", "clock-vm"]);
      assert.match(found.get("vm-disk") ?? "", /failure: 0\.0 GiB free at \/var\/lib\/docker/);
      assert.match(found.get("networks-mtu") ?? "", /failure: eth0 has an MTU of 1400/);
      assert.match(found.get("networks-routes") ?? "", /failure: .*172\.29\.96\.0\/24/);
      assert.match(found.get("networks-pools") ?? "", /warning: .*192\.168\.90\.0\/24/);
      assert.match(found.get("clock-vm") ?? "", /failure: the VM is 1[12]\d s behind this machine/);
    } finally {
      await onVm2(
        `rm ${late}; umount /var/lib/docker; ip link set eth0 mtu 1500; ip route del 172.29.96.0/24 dev eth0 metric 900; ip route del 192.168.90.0/24`,
      );
    }
  });

  it("finds servers whose clocks are behind", async () => {
    const servers = { vaultAddress: "VAULT_ADDR", prometheusUrl: "PROMETHEUS_URL", grafanaUrl: "GRAFANA_URL" };
    const all = await Promise.all(
      Object.entries(servers).map(async ([key, name]) => ({ key, ...(await mistimed(sandbox().get(name))) })),
    );
    // PostgreSQL's own clock cannot be set alone, but the deployer can be told of another.
    await onPostgres("CREATE SCHEMA late");
    await onPostgres("CREATE FUNCTION late.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT now() - interval '2 minutes'$$"); // prettier-ignore
    await onPostgres("GRANT USAGE ON SCHEMA late TO deployer");
    await onPostgres("ALTER ROLE deployer IN DATABASE postgres SET search_path = late, pg_catalog");
    try {
      const env = withSettings(Object.fromEntries(all.map(({ key, url }) => [key, url])));
      const found = await doctor(env, ["clock"]);
      for (const [id, machine] of Object.entries({
        database: "PostgreSQL",
        vault: "Vault",
        prometheus: "Prometheus",
        grafana: "Grafana",
      }))
        // prettier-ignore
        assert.match(found.get(`clock-${id}`) ?? id, new RegExp(`failure: ${machine} is 1[12]\\d s behind`));
      assert.equal(found.size, 4);
    } finally {
      all.forEach(({ close }) => close());
      await onPostgres("ALTER ROLE deployer IN DATABASE postgres RESET search_path");
      await onPostgres("DROP SCHEMA late CASCADE");
    }
  });

  it("finds a Prometheus that reads neither targets nor rules, and cannot be reloaded", async () => {
    const name = platform("doctor-prometheus");
    const { stdout: image } = await run(["docker", "inspect", "--format", "{{.Config.Image}}", platform("prometheus")], onHere); // prettier-ignore
    const script =
      "echo 'global: {}' > /tmp/p.yml; exec prometheus --config.file=/tmp/p.yml --storage.tsdb.path=/tmp/data";
    const at = `${platformSubnet}.43`;
    const start = ["docker", "run", "--detach", "--name", name, "--network", platformNetwork, "--ip", at, "--entrypoint", "sh"]; // prettier-ignore
    try {
      const { code, output } = await run([...start, image.trim(), "-c", script], onHere);
      assert.equal(code, 0, output);
      const url = `http://${at}:9090`;
      await until("Prometheus", 60, async () => ((await fetch(`${url}/-/ready`)).ok ? true : undefined));
      const found = await doctor(withSettings({ prometheusUrl: url }), ["prometheus"]);
      assert.match(found.get("prometheus-job") ?? "", /failure: .*no scrape job/);
      assert.match(found.get("prometheus-rules") ?? "", /failure: .*rule_files/);
      assert.match(found.get("prometheus-lifecycle") ?? "", /failure: its lifecycle API is off/);
      assert.equal(found.size, 3);
    } finally {
      await run(["docker", "rm", "--force", "--volumes", name], onHere);
    }
  });

  it("finds settings of GitLab that let others deploy", async () => {
    const gitlab = await Gitlab.start("glpat-of-the-doctor");
    const file = helper.vaultSettings;
    writeFileSync(
      file,
      JSON.stringify({
        gitlab: { url: gitlab.url, project: "team/audit", projectId: 42 },
        audience: sandbox().get("VAULT_ADDR"),
      }),
    );
    const look = () => doctor({ GITLAB_TOKEN: "glpat-of-the-doctor" }, ["gitlab"], "--vault-settings", file);
    const project = "/api/v4/projects/42";
    const developers = [{ access_level: 30 }];
    try {
      assert.deepEqual([...(await look())], []);
      Object.assign(gitlab.answers, {
        [project]: { ...(gitlab.answers[project] as object), restrict_user_defined_variables: false },
        [`${project}/protected_tags`]: [{ name: "v*", create_access_levels: developers }],
        [`${project}/protected_branches`]: [{ name: "main", push_access_levels: developers }],
        [`${project}/variables`]: [],
        [`${project}/resource_groups/sandbox`]: { process_mode: "unordered" },
      });
      const found = await look();
      assert.match(found.get("gitlab-tags") ?? "", /developers may create the protected tags v\*/);
      assert.match(found.get("gitlab-branches") ?? "", /developers may push to the protected branch main/);
      assert.match(found.get("gitlab-rest") ?? "", /developers may give variables/);
      assert.match(found.get("gitlab-variables") ?? "", /no variable VAULT_ADDR/);
      assert.match(found.get("gitlab-order") ?? "", /no certain order \(unordered\)/);
      assert.equal(found.size, 5);
      assert.match((await doctor({ GITLAB_TOKEN: "another" }, ["gitlab"], "--vault-settings", file)).get("gitlab-known") ?? "", /refused GITLAB_TOKEN/); // prettier-ignore
    } finally {
      gitlab.close();
    }
  });

  it("finds a login that may not use the Docker Engine", async () => {
    await onVm2("chmod 600 /var/run/docker.sock");
    try {
      assert.match((await doctor({}, ["vm-docker"])).get("vm-docker") ?? "", /usermod --append --groups docker deploy/);
    } finally {
      await onVm2("chmod 660 /var/run/docker.sock");
    }
  });
});
