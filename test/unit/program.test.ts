import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as pulumi from "@pulumi/pulumi";
import { addressPlan, planRelease, type ReleaseState } from "../../components";
import program from "../../index";
import { cachePath, PUBLISHED_DASHBOARD } from "../../dashboards/published";
import { Authority } from "./support/authority";
import { find, ofType, run, Secret, valueOf } from "./support/program";

const digest = (n: number) => `sha256:${String(n).repeat(64)}`;
const settings: Record<string, string> = {
  "audit:environment": "vm2",
  "audit:hostAddress": "ssh://deploy@vm2.example.test",
  "audit:image": `harbor.example.test/audit/audit-svc@${digest(1)}`,
  "audit:registryUsername": "robot",
  "audit:registryPassword": "harbor-password",
  "audit:edgeImage": `harbor.example.test/hub/nginx@${digest(2)}`,
  "audit:exporterImage": `harbor.example.test/hub/exporter@${digest(3)}`,
  "audit:vaultImage": `harbor.example.test/hub/vault@${digest(4)}`,
  "audit:databaseHost": "db.example.test",
  "audit:vaultAddress": "https://vault.example.test:8200",
  // No Vault answers here; agents-in-vault.test.ts tests the default.
  "audit:vaultPolicies": "program",
  "audit:edgeMetricsAllow": '["10.0.0.9"]',
  "audit:serviceUrl": "https://audit.example.test",
  "audit:metricsAddress": "vm2.example.test:9145",
  "audit:prometheusUrl": "http://prometheus.example.test:9090",
  "audit:prometheusHost": "ssh://deploy@prometheus.example.test",
  "audit:prometheusTargets": "/etc/prometheus/targets",
  "audit:prometheusRules": "/etc/prometheus/rules",
  "audit:prometheusImage": "prom/prometheus:v2.53.0",
  "audit:grafanaUrl": "https://grafana.example.test",
  "audit:grafanaDataSource": "prometheus",
};

/** Runs index.ts as the engine would, with the state that a last run left. */
async function deploy(releases?: ReleaseState, more: Record<string, string> = {}, logKeys?: string[]) {
  return run(
    async () => {
      pulumi.runtime.setAllConfig({ ...settings, ...more });
      return program();
    },
    (args) =>
      args.type === "pulumi:pulumi:StackReference"
        ? { outputs: releases === undefined ? {} : { releases, logKeys } }
        : undefined,
  );
}

/** What a first deploy leaves of the slots. */
const served = (): ReleaseState =>
  planRelease("audit-svc", { image: settings["audit:image"] ?? "" }, undefined, addressPlan("172.29")).next;

describe("the program", () => {
  before(async function () {
    // The published dashboard is fetched once by its pin; if no source answers, the test fails.
    this.timeout(90_000);
    execFileSync("node", ["--import", "tsx", "dashboards/fetch.ts"], { stdio: ["ignore", "ignore", "inherit"] });
    assert.ok(cachePath().includes(PUBLISHED_DASHBOARD.sha256.slice(0, 16)));
  });

  it("has the outputs that pipelines and people rely on", async () => {
    const { result } = await deploy();
    assert.deepEqual(Object.keys(result).sort(), [
      "dashboardUrl",
      "databasePasswordVersion",
      "image",
      "nginxDashboardUrl",
      "release",
      "releases",
      "serviceUrl",
    ]);
    assert.equal(await valueOf(result.serviceUrl), "https://audit.example.test");
    assert.equal(await valueOf(result.image), settings["audit:image"]);
  });

  it("keeps the tokens of a stack that an older version deployed, and gives the smoke test one of its own", async () => {
    const { resources } = await deploy(undefined, { "audit:applications": '["billing"]' });
    const tokens = ofType(resources, "RandomPassword").filter(({ parent }) => parent.endsWith("AccessTokens::audit"));
    assert.deepEqual(
      tokens.map(({ name }) => name),
      ["reader", "writer-billing", "reader-billing", "writer-smoke", "reader-smoke"].map((holder) => `audit-${holder}`),
    );
    const secret = find(resources, "SecretV2", "audit-token-writer-smoke");
    assert.equal(secret.inputs.name, "audit-svc/vm2-tokens/writer-smoke");
    const confirmed = secret.dependsOn.find((urn) => urn.endsWith("::audit-svc-confirmed"));
    assert.ok(confirmed, `not after the replicas confirmed, but after ${secret.dependsOn.join(", ")}`);
  });

  it("does not go back to a token version from before the last deploy", async () => {
    const left = { ...served(), recreated: {}, tokenVersions: { "writer-demo": 2 } };
    const back = deploy(left, { "audit:tokenVersions": '{"writer-demo": [1]}' });
    await assert.rejects(back, /^Error: audit:tokenVersions gives writer-demo version 1, and the last deploy/);
  });

  for (const credentials of ["static", "dynamic"]) {
    it(`keeps every password and token wrapped as a secret, wherever it goes (${credentials})`, async () => {
      await nothingPlain({ "audit:databaseCredentials": credentials });
    });
  }

  async function nothingPlain(more: Record<string, string>): Promise<void> {
    const { resources } = await deploy(undefined, more);
    const plain = (value: unknown): unknown => {
      if (value instanceof Secret) return "[secret]";
      if (Array.isArray(value)) return value.map(plain);
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
    };
    for (const r of resources) {
      assert.doesNotMatch(JSON.stringify(plain(r.inputs)), /password-of-|harbor-password/, `${r.type} ${r.name}`);
    }
  }

  it("puts no operator's token into a provider's inputs, which are stored in the state", async () => {
    const former = process.env.GRAFANA_AUTH;
    // Grafana's SDK reads it from the environment by itself.
    process.env.GRAFANA_AUTH = "operator:token-of-grafana";
    process.env.GRAFANA_HTTP_HEADERS = '{"Authorization": "Bearer token-of-grafana"}';
    const { resources } = await deploy().finally(() => {
      delete process.env.GRAFANA_HTTP_HEADERS;
      if (former === undefined) delete process.env.GRAFANA_AUTH;
      else process.env.GRAFANA_AUTH = former;
    });
    for (const r of resources.filter((x) => x.type.startsWith("pulumi:providers:"))) {
      for (const key of ["token", "password", "httpHeaders"])
        assert.equal(r.inputs[key], undefined, `${r.type}.${key}`);
      // Without it the plugin itself would take GRAFANA_AUTH into its inputs.
      if (r.type.endsWith(":grafana")) assert.deepEqual(r.inputs.auth, new Secret("anonymous"));
    }
  });

  it("uses no default provider: each resource names its own", async () => {
    const { resources } = await deploy();
    const standard = ["command", "random", "pulumi", "audit"];
    for (const r of resources.filter((x) => !standard.includes(x.type.split(":")[0] ?? ""))) {
      assert.match(r.provider, /pulumi:providers:/, `${r.type} ${r.name}`);
    }
  });

  it("removes orphans before it creates what has a fixed name, and detects missing resources, both possible after a killed deploy", async () => {
    const { resources } = await deploy();
    const named = [...ofType(resources, "Container"), ...ofType(resources, "Network")];
    assert.ok(named.length > 8);
    for (const r of named) {
      assert.deepEqual(r.beforeCreate, ["vm-leftovers"], r.name);
      assert.equal(r.replacementTrigger, 0, r.name);
    }
  });

  it("names Vault's namespace to everything that speaks to Vault: the plugin, the programs it runs, and what runs on the VM", async () => {
    const { resources } = await deploy(undefined, {
      "audit:vaultNamespace": "team",
      "audit:databaseCredentials": "dynamic",
      ...{ "audit:tls": "vault", "audit:tlsPkiRole": "edge" },
    });
    assert.equal(find(resources, "vault", "vault").inputs.namespace, "team");
    const environments = ofType(resources, "Command").map(
      (r) => (r.inputs.environment ?? {}) as Record<string, string>,
    );
    const programs = environments.filter((env) => env.VAULT_ADDR !== undefined);
    // Two agents: a secret_id each, and the end of the former; the database's login: its password, and the end of leases.
    assert.equal(programs.length, 6);
    for (const env of programs) assert.equal(env.VAULT_NAMESPACE, "team");
    const containers = programs.flatMap((env) => env.AUDIT_DELIVER ?? []);
    assert.equal(containers.length, 4);
    for (const line of containers) assert.match(line, / --env VAULT_NAMESPACE=team /);
    const files = ["audit-svc-agent-files", "audit-edge-certificate-agent-files"].map(
      (name) => find(resources, "Command", name).inputs.stdin as string,
    );
    for (const text of files) {
      assert.match(text, /^ {2}namespace = "team"$/m);
    }
    for (const name of ["audit-svc-agent", "audit-edge-certificate-agent"]) {
      const { envs } = find(resources, "Container", name).inputs;
      assert.ok((envs as string[]).includes("AUDIT_VAULT_NAMESPACE=team"), name);
    }
  });

  describe("with a private authority", () => {
    const directory = mkdtempSync(join(tmpdir(), "authority-"));
    let authority: Authority;
    const deployWith = async (more: Record<string, string>) =>
      (await deploy(undefined, { "audit:caFile": authority.file, ...more })).resources;
    before(() => {
      authority = new Authority(directory);
    });
    after(() => rmSync(directory, { recursive: true }));

    it("makes the plugins, the programs that they run, the VM, Vault, Grafana and the service trust it", async () => {
      const resources = await deployWith({
        "audit:databaseCredentials": "dynamic",
        ...{ "audit:tls": "vault", "audit:tlsPkiRole": "edge" },
        "audit:grafanaDataSource": "",
        "audit:grafanaPrometheusUrl": "https://prometheus.example.test",
      });
      assert.equal(find(resources, "vault", "vault").inputs.caCertFile, authority.file);
      assert.equal(find(resources, "postgresql", "postgres").inputs.sslmode, "verify-full");
      assert.equal(find(resources, "postgresql", "postgres").inputs.sslrootcert, authority.file);
      assert.equal(find(resources, "grafana", "grafana").inputs.caCert, authority.file);
      const commands = ofType(resources, "Command");
      const programs = commands.filter(({ inputs }) =>
        [inputs.create, inputs.delete].some((line) => typeof line === "string" && line.startsWith("node ")),
      );
      assert.ok(programs.length >= 9, `only ${programs.length}`);
      for (const { name, inputs } of programs) {
        assert.equal((inputs.environment as Record<string, string>).NODE_EXTRA_CA_CERTS, authority.file, name);
      }
      const oneShots = commands.flatMap(
        ({ inputs }) => (inputs.environment as Record<string, string>).AUDIT_DELIVER ?? [],
      );
      assert.equal(oneShots.length, 4);
      for (const line of oneShots) assert.ok(line.includes(`VAULT_CACERT_BYTES=${authority.pem.slice(0, 100)}`), line);
      for (const name of ["audit-svc-agent-files", "audit-edge-certificate-agent-files"]) {
        const text = find(resources, "Command", name).inputs.stdin as string;
        assert.match(text, /^ {2}ca_cert = "\/agent\/ca\.pem"$/m);
        assert.ok(text.includes(`ca.pem\n${authority.pem}`), name);
      }
      const plain = (secret: unknown) => (secret as Secret).value;
      const { tlsCa } = find(resources, "SecretBackendConnection", "audit-svc-database").inputs.postgresql as {
        tlsCa: string;
      };
      assert.equal(tlsCa, authority.pem);
      const { database } = JSON.parse(
        plain(find(resources, "SecretV2", "audit-svc-secret").inputs.dataJson) as string,
      ) as {
        database: Record<string, string>;
      };
      assert.equal(database.sslmode, "verify-full");
      assert.equal(database.caCertificate, authority.pem);
      const source = find(resources, "DataSource", "audit-prometheus").inputs;
      assert.equal(source.jsonDataEncoded, '{"tlsAuthWithCACert":true}');
      assert.deepEqual(source.secureJsonDataEncoded, new Secret(JSON.stringify({ tlsCACert: authority.pem })));
    });

    it("does not turn `require` into another mode", async () => {
      const resources = await deployWith({ "audit:databaseSslMode": "require" });
      assert.equal(find(resources, "postgresql", "postgres").inputs.sslrootcert, undefined);
      const { dataJson } = find(resources, "SecretV2", "audit-svc-secret").inputs;
      assert.doesNotMatch((dataJson as Secret).value as string, /caCertificate/);
    });

    it("refuses an invalid file before it creates anything", async () => {
      await assert.rejects(
        run(async () => {
          pulumi.runtime.setAllConfig({ ...settings, "audit:caFile": join(directory, "none.pem") });
          return program();
        }),
        /audit:caFile \S+none\.pem cannot be read \(ENOENT\)/,
      );
    });
  });

  it("checks whether VM2 trusts a registry before any of its images is pulled", async () => {
    const { resources } = await deploy();
    const asked = find(resources, "Command", "vm-registry");
    const pulled = ofType(resources, "RemoteImage").filter(({ inputs }) => String(inputs.name).startsWith("harbor."));
    assert.ok(pulled.length >= 5);
    for (const { name, dependsOn } of pulled) assert.ok(dependsOn.includes(asked.urn), name);
  });

  it("publishes only nginx's ports", async () => {
    const { resources } = await deploy();
    const published = ofType(resources, "Container").filter((c) => c.inputs.ports !== undefined);
    assert.deepEqual(
      published.map((c) => c.name),
      ["audit-edge-nginx"],
    );
  });

  it("has no network with both nginx and the admin port", async () => {
    const { resources } = await deploy();
    const networks = (name: string) =>
      (find(resources, "Container", name).inputs.networksAdvanced as { name: string }[]).map((n) => n.name);
    assert.ok(networks("audit-svc-blue-1").includes("audit-admin"));
    assert.ok(!networks("audit-edge-nginx").includes("audit-admin"));
  });

  it("reads back which slot is active and fills the other", async () => {
    const first = await deploy();
    const state: ReleaseState = await valueOf(first.result.releases);
    assert.equal(state.active, "blue");
    const other: ReleaseState = {
      active: "blue",
      slots: { blue: { release: "another00000", image: "x", replicas: 2, memory: 256 } },
    };
    const second = await deploy(other);
    const next = await valueOf(second.result.releases);
    assert.equal(next.active, "green");
    assert.equal(next.slots.blue?.release, "another00000");
    const again = await deploy(state);
    assert.deepEqual(await valueOf(again.result.releases), state);
  });

  it("has reads recorded if configured, and otherwise does not send the key to an image that may not know it", async () => {
    for (const [more, expected] of [
      [{}, undefined],
      [{ "audit:recordReads": "true" }, true],
    ] as const) {
      const { resources } = await deploy(undefined, more);
      const { dataJson } = find(resources, "SecretV2", "audit-svc-secret").inputs;
      assert.ok(dataJson instanceof Secret);
      assert.equal((JSON.parse(dataJson.value as string) as { recordReads?: boolean }).recordReads, expected);
    }
  });

  it("keeps a log that proves itself if configured, reachable at the edge, with its keys as an output", async () => {
    const log = async (more: Record<string, string>) => {
      const { result, resources } = await deploy(undefined, more);
      const { dataJson } = find(resources, "SecretV2", "audit-svc-secret").inputs;
      const written = JSON.parse((dataJson as Secret).value as string) as { log?: { signer: object } };
      const conf = find(resources, "Command", "audit-edge-config-files").inputs.stdin as string;
      const { logKeys } = result as { logKeys?: pulumi.Output<string[]> };
      const keys = logKeys && (await valueOf(logKeys));
      return { log: written.log, keys, reachable: conf.includes("/log/checkpoint") };
    };
    assert.deepEqual(await log({}), { log: undefined, keys: undefined, reachable: false });
    const own = await log({ "audit:log": "key", "audit:logKeyVersion": "2", "audit:logPublic": "true" });
    assert.deepEqual(own.log && { ...own.log, signer: Object.keys(own.log.signer) }, {
      ...{ origin: "audit.example.test/vm2", public: true, signer: ["privateKey"] },
    });
    assert.match(own.keys?.join(" ") ?? "", /^audit\.example\.test\/vm2\+[0-9a-f]{8}\+\S{44} audit\.\S+$/);
    assert.equal(own.reachable, true);
  });

  it("goes on giving out the log's keys while it is switched off", async () => {
    const left = { ...served(), recreated: {} };
    const { result } = await deploy(left, {}, ["a-key"]);
    assert.deepEqual((result as { logKeys?: string[] }).logKeys, ["a-key"]);
  });

  it("refuses a wrong configuration before it creates anything", async () => {
    await assert.rejects(
      run(async () => {
        pulumi.runtime.setAllConfig({ ...settings, "audit:replicas": "99" });
        return program();
      }),
      /audit:replicas must be from 1 to 16/,
    );
  });
});
