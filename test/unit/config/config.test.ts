import assert from "node:assert/strict";
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { runtime } from "@pulumi/pulumi";
import { ConfigError, parseSettings, settingsOfStack } from "../../../config";
import { schema } from "../../../config/groups";
import { good, problems, onVm } from "../support/settings";

describe("configuration", () => {
  it("accepts plain HTTP if allowed or local to the machine, and IPv6 balancers behind the first", () => {
    const changes: Record<string, string>[] = [
      { "audit:serviceUrl": "http://audit.example.test", "audit:edgePlainHttp": "true" },
      { "audit:serviceUrl": "http://127.0.0.1:8080" },
      { "audit:serviceUrl": "http://localhost" },
      { "audit:edgeTrustedProxies": '["10.0.0.5", "2001:db8::/32"]' },
    ];
    for (const change of changes) assert.ok(parseSettings({ ...good, ...change }));
    assert.throws(() => parseSettings({ ...good, "audit:serviceUrl": "http://127.0.0.1.example.test" }), ConfigError);
  });

  it("reads a valid one: numbers, lists, defaults, no slash at the end of an address", () => {
    const settings = parseSettings(good);
    assert.equal(settings.service.spec.replicas, 2);
    assert.equal(settings.database.server.port, 5432);
    assert.equal(settings.database.protect, true);
    assert.deepEqual(settings.edge.metricsAllow, ["10.0.0.9"]);
    assert.deepEqual(settings.tokens.applications, ["demo", "smoke"]);
    assert.equal(settings.vault.server.address, "https://vault.example.test:8200");
    assert.equal(settings.vault.server.boundCidrs, undefined);
  });

  it("keeps a log only if told to, named from the address and the environment unless it has a name", () => {
    assert.equal(parseSettings(good).log, undefined);
    const log = (more: Record<string, string>) => parseSettings({ ...good, ...more }).log;
    assert.deepEqual(log({ "audit:log": "vault" }), {
      name: "audit-svc",
      key: { origin: "audit.example.test/vm2", public: false, signer: { by: "vault", mount: "transit" } },
    });
    assert.deepEqual(log({ "audit:log": "key", "audit:logOrigin": "a.test/1", "audit:logPublic": "true" }), {
      name: "audit-svc",
      key: { origin: "a.test/1", public: true, signer: { by: "key", version: 1 } },
    });
    assert.equal(log({ "audit:log": "key", "audit:logPlatform": "kubernetes" })?.name, "audit-svc-cluster");
  });

  it("accepts versions for each holder's token, or none", () => {
    assert.deepEqual(parseSettings(good).tokens.versions, {});
    const versions = { reader: [3], "reader-crm": [1, 2], "writer-crm": [7, 9], "writer-smoke": [2] };
    const changes = { "audit:applications": '["crm"]', "audit:tokenVersions": JSON.stringify(versions) };
    assert.deepEqual(parseSettings({ ...good, ...changes }).tokens.versions, versions);
  });

  it("accepts a public key for the images' signatures, and says what is wrong with a file without one", () => {
    const directory = mkdtempSync(join(tmpdir(), "image-key-"));
    const file = join(directory, "image-key.pem");
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    try {
      writeFileSync(file, publicKey.export({ type: "spki", format: "pem" }));
      assert.equal(parseSettings({ ...good, "audit:imageKey": file }).service.imageKey, file);
      writeFileSync(file, privateKey.export({ type: "pkcs8", format: "pem" }));
      assert.match(problems({ "audit:imageKey": file }).join(), /^audit:imageKey \S+ holds a private key; /);
      assert.match(
        problems({ "audit:imageKey": `${file}x` }).join(),
        /^audit:imageKey \S+ cannot be read \(ENOENT\); set /,
      );
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it("accepts the containers' range as two octets or as a /22, and MTU 0 for Docker's default", () => {
    assert.equal(onVm(parseSettings(good)).vm.networks.range, "172.29");
    assert.equal(onVm(parseSettings(good)).vm.networks.mtu, undefined);
    for (const range of ["10.20", "10.20.4.0/22", "172.31.252.0/22", "192.168", "192.168.0.0/22", "100.64.4.0/22"])
      assert.deepEqual(problems({ "audit:networkPrefix": range, "audit:networkMtu": "1450" }), [], range);
    for (const range of [
      "100.63",
      "172.15.0.0/22",
      "10.20.4.0/24",
      "10.20.256.0/22",
      "10.20.4.1/22",
      "10.20.4",
      "10.999",
    ])
      assert.equal(problems({ "audit:networkPrefix": range }).length, 1, range);
  });

  it("lists what containers must reach at a known address, with the setting that names it", () => {
    const allow = {
      "audit:edgeMetricsAllow": '["10.0.0.9", "10.1.0.0/16"]',
      "audit:edgeTrustedProxies": '["10.0.0.5", "fd00::1"]',
    };
    assert.deepEqual(onVm(parseSettings({ ...good, ...allow })).vm.networks.peers, [
      { host: "db.example.test", setting: "audit:databaseHost" },
      { host: "vault.example.test", setting: "audit:vaultAddress" },
      { host: "10.0.0.9", setting: "audit:edgeMetricsAllow" },
      { host: "10.0.0.5", setting: "audit:edgeTrustedProxies" },
    ]);
  });

  it("checks the certificates of all servers that it or Grafana reaches by https", () => {
    const values = {
      ...{ ...good, "audit:grafanaDataSource": "" },
      "audit:grafanaPrometheusUrl": "https://prometheus.example.test/x",
    };
    const looked = parseSettings(values).trust.servers.map(({ setting, exclusive }) => [setting, exclusive]);
    assert.deepEqual(looked, [
      ["audit:vaultAddress", true],
      ["audit:databaseHost", true],
      ["audit:grafanaUrl", true],
      ["audit:grafanaPrometheusUrl", true],
    ]);
  });

  it("ignores other namespaces", () => {
    assert.deepEqual(problems({ "docker:host": "whatever" }), []);
  });

  it("takes Vault's namespace from the stack, or else from the vault CLI's own variable", () => {
    const namespace = (stack: string, variable?: string) => {
      runtime.setAllConfig({ ...good, "audit:vaultNamespace": stack });
      return settingsOfStack({ VAULT_NAMESPACE: variable }).vault.server.namespace;
    };
    assert.equal(namespace("", "team/"), "team");
    assert.equal(namespace("/company/audit/", "team"), "company/audit");
    assert.equal(namespace("", ""), undefined);
    assert.equal(namespace(""), undefined);
  });

  it("treats an empty text as an absent option", () => {
    assert.equal(parseSettings({ ...good, "audit:hostCidr": "" }).vault.server.boundCidrs, undefined);
  });

  it("requires no place for files if Prometheus gets none", () => {
    const none = ["Host", "Targets", "Rules", "Image"].map((key) => [`audit:prometheus${key}`, undefined]);
    const settings = { "audit:prometheusDiscovery": "http", "audit:alerts": "none" };
    assert.deepEqual(problems({ ...(Object.fromEntries(none) as Record<string, undefined>), ...settings }), []);
  });

  it("reports every mistake at once, without a stack trace", () => {
    assert.throws(
      () => parseSettings({ ...good, "audit:replicas": "0", "audit:serviceUrl": "audit.example.test", "audit:x": "1" }),
      (error: unknown) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.problems.length, 3);
        assert.doesNotMatch(String(error.stack), /\n {4}at /);
        assert.match(error.message, /^The stack's configuration has 3 mistakes; nothing was changed\.\n {2}- audit:/);
        return true;
      },
    );
  });

  it("has the same keys as Pulumi.yaml, which describes each", () => {
    const project = parse(readFileSync("Pulumi.yaml", "utf8")) as {
      config: Record<string, { type: string; description: string; default?: unknown }>;
    };
    // Not needed by themselves, but with what other keys say.
    const together = ["hostAddress", "grafanaDataSource", "prometheusHost", "prometheusTargets", "prometheusRules"];
    for (const [key, entry] of Object.entries(project.config)) {
      assert.ok(entry.description.length > 20, `${key} needs a description`);
      const [message = ""] = problems({ [`audit:${key}`]: "\u0000" });
      assert.doesNotMatch(message, /not a setting/, `Pulumi.yaml has ${key}, config/ does not`);
      if (entry.default !== undefined) {
        const text = typeof entry.default === "string" ? entry.default : JSON.stringify(entry.default);
        const left = problems({ [`audit:${key}`]: text });
        assert.deepEqual(left, together.includes(key) ? left : [], `the default of ${key} must be accepted`);
      }
    }
    for (const key of Object.keys(schema.shape))
      assert.ok(key in project.config, `Pulumi.yaml lacks ${key}; run \`npm run settings\``);
  });
});
