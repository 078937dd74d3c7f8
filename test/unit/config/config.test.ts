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
      ...{ origin: "audit.example.test/vm2", public: false },
      signer: { by: "vault", mount: "transit" },
    });
    assert.deepEqual(log({ "audit:log": "key", "audit:logOrigin": "a.test/1", "audit:logPublic": "true" }), {
      ...{ origin: "a.test/1", public: true },
      signer: { by: "key", version: 1 },
    });
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

  const rules: [string, Record<string, string | undefined>, string][] = [
    [
      "a key that does not exist",
      { "audit:replica": "2" },
      "audit:replica is not a setting of this program; remove it, or see docs/settings.md for the keys",
    ],
    [
      "a key in wrong case",
      { "audit:edgeport": "80" },
      "audit:edgeport is not a setting of this program; did you mean audit:edgePort?",
    ],
    ["a list with nothing in it", { "audit:applications": "[null]" }, "audit:applications[0] must be a string"],
    [
      "a volume for Prometheus without Docker",
      { "audit:prometheusImage": "", "audit:prometheusTargets": "targets" },
      "audit:prometheusTargets must be an absolute directory, such as /etc/prometheus/targets, or audit:prometheusImage must be set, by which a volume is written, not targets",
    ],
    [
      "a directory for Prometheus that is none",
      { "audit:prometheusImage": "prom", "audit:prometheusRules": "a b/../;x" },
      "audit:prometheusRules must be an absolute directory or the name of a Docker volume, not a b/../;x",
    ],
    [
      "a missing image",
      { "audit:image": undefined },
      "audit:image is missing; set the service's image by digest, registry/name@sha256:...",
    ],
    [
      "an image by tag",
      { "audit:image": "harbor.example.test/audit/audit-svc:1.0" },
      "audit:image must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release",
    ],
    ["replicas out of range", { "audit:replicas": "17" }, "audit:replicas must be from 1 to 16"],
    ["replicas that are no number", { "audit:replicas": "two" }, "audit:replicas must be a whole number from 1 to 16"],
    [
      "a host without user",
      { "audit:hostAddress": "ssh://vm2" },
      "audit:hostAddress must be ssh://user@host[:port] with a valid host name or address (IPv6 in brackets, without a zone), or unix:///path, of a Docker Engine",
    ],
    [
      "an option in the host's place",
      { "audit:hostAddress": "ssh://-oProxyCommand=x@vm2;id" },
      "audit:hostAddress must be ssh://user@host[:port] with a valid host name or address (IPv6 in brackets, without a zone), or unix:///path, of a Docker Engine",
    ],
    [
      "an unknown owner of Vault's policies",
      { "audit:vaultPolicies": "me" },
      "audit:vaultPolicies must be bootstrap or program",
    ],
    [
      "an address with a path",
      { "audit:serviceUrl": "https://audit.example.test/v1" },
      "audit:serviceUrl must be http:// or https://, a valid host name or address (IPv6 in brackets, without a zone) and an optional port, nothing more",
    ],
    [
      "a list that is none",
      { "audit:edgeMetricsAllow": "10.0.0.9" },
      'audit:edgeMetricsAllow must be a list such as ["10.0.0.9"]',
    ],
    [
      "a wrong item of a list",
      { "audit:edgeMetricsAllow": '["10.0.0.9", "everybody"]' },
      "audit:edgeMetricsAllow[1] must be an address or a range such as 10.0.0.0/24",
    ],
    [
      "an address that there is not",
      { "audit:edgeTrustedProxies": '["10.0.0.256"]' },
      "audit:edgeTrustedProxies[0] must be an address or a range such as 10.0.0.0/24",
    ],
    [
      "a range that is too narrow",
      { "audit:hostCidr": "10.0.0.7/33" },
      "audit:hostCidr must be an address range such as 10.0.0.7/32",
    ],
    [
      "an application twice",
      { "audit:applications": '["crm", "crm"]' },
      "audit:applications must not name an application twice",
    ],
    [
      "the service's own application",
      { "audit:applications": '["crm", "audit-svc"]' },
      "audit:applications must not name audit-svc, under which the service records who read the log",
    ],
    [
      "the application of the smoke test",
      { "audit:applications": '["crm", "smoke"]' },
      "audit:applications must not name smoke, under which the pipeline's smoke test writes",
    ],
    ...[
      ["no version", "[]"],
      ["a version twice", "[1, 1]"],
      ["versions that go down", "[2, 1]"],
      ["version 0", "[0, 1]"],
      ["half a version", "[1.5]"],
      ["a version in quotes", '["1"]'],
      ["a version that is no list", "2"],
    ].map(([what = "", versions = ""]): [string, Record<string, string>, string] => [
      `${what} of a token`,
      { "audit:tokenVersions": `{"writer-demo": ${versions}}` },
      "audit:tokenVersions[writer-demo] must list whole numbers from 1 in ascending order, such as [1, 2] to rotate the token and then [2]",
    ]),
    ...["writer-demo", "[1, 2]", "null"].map((text): [string, Record<string, string>, string] => [
      `no versions by holder, but ${text}`,
      { "audit:tokenVersions": text },
      'audit:tokenVersions must be versions by holder, such as {"writer-billing": [1, 2]}',
    ]),
    [
      "a holder without a token",
      { "audit:tokenVersions": '{"writer-crm": [1, 2]}' },
      "audit:tokenVersions names writer-crm, which has no token; remove it, or name reader, or writer- or reader- before an application of audit:applications",
    ],
    ["a word for yes", { "audit:recordReads": "yes" }, "audit:recordReads must be true or false"],
    ["a log that somebody unknown signs", { "audit:log": "on" }, "audit:log must be off, vault or key"],
    [
      "a name of the log that no verifier takes",
      { "audit:log": "key", "audit:logOrigin": "audit+vm2" },
      "audit:logOrigin must be 1 to 200 printable ASCII characters without spaces or +, such as audit.example.com/vm2",
    ],
    ["no application", { "audit:applications": "[]" }, "audit:applications must name at least one application"],
    [
      "a range for containers that there is not",
      { "audit:networkPrefix": "10.256" },
      "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
    ],
    [
      "a public range for containers",
      { "audit:networkPrefix": "8.8.0.0/22" },
      "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
    ],
    [
      "a range for containers that begins in the middle of another",
      { "audit:networkPrefix": "10.20.5.0/22" },
      "audit:networkPrefix must be two octets of a private range, for example 172.29, or a range of /22 in one, for example 10.20.4.0/22",
    ],
    [
      "an MTU that no network has",
      { "audit:networkMtu": "150" },
      "audit:networkMtu must be 0, which is Docker's default, or from 576 to 9000",
    ],
    [
      "a wrong TLS mode",
      { "audit:databaseSslMode": "maybe" },
      "audit:databaseSslMode must be disable, require or verify-full",
    ],
    [
      "a wrong address range",
      { "audit:hostCidr": "vm2" },
      "audit:hostCidr must be an address range such as 10.0.0.7/32",
    ],
    [
      "TLS from files that are not named",
      { "audit:tls": "files", "audit:tlsKeyFile": "edge.key" },
      "audit:tlsCertificateFile is missing; it is needed with audit:tls files",
    ],
    [
      "TLS from Vault without a role",
      { "audit:tls": "vault" },
      "audit:tlsPkiRole is missing; it is needed with audit:tls vault",
    ],
    [
      "TLS with a plain address",
      { "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:serviceUrl": "http://audit.example.test" },
      "audit:serviceUrl must begin with https:// when audit:tls is vault",
    ],
    [
      "TLS on another listener's port",
      { "audit:tls": "vault", "audit:tlsPkiRole": "edge", "audit:edgeTlsPort": "80" },
      "audit:edgeTlsPort must differ from audit:edgePort and audit:edgeMetricsPort",
    ],
    [
      "tokens in clear",
      { "audit:serviceUrl": "http://audit.example.test" },
      "audit:serviceUrl begins with http://, so clients would send their tokens in clear; set audit:tls, or begin with https:// where a balancer ends TLS, or set audit:edgePlainHttp to true if every network between is trusted",
    ],
    [
      "a collector of metrics that could never come",
      { "audit:edgeMetricsAllow": '["10.0.0.9", "2001:db8::9"]' },
      "audit:edgeMetricsAllow[1] must be an IPv4 address or range: the edge is reached over IPv4 alone, and another would never match",
    ],
    [
      "balancers of which none could come",
      { "audit:edgeTrustedProxies": '["2001:db8::/32"]' },
      "audit:edgeTrustedProxies must name an IPv4 address or range: the edge is reached over IPv4 alone, so the balancer in front of it has one",
    ],
    [
      "one port for two listeners",
      { "audit:edgeMetricsPort": "80" },
      "audit:edgeMetricsPort must differ from audit:edgePort (80)",
    ],
    [
      "a login without password",
      { "audit:registryUsername": "robot" },
      "audit:registryPassword is missing; set it with `pulumi config set --secret audit:registryPassword` or AUDIT_REGISTRY_PASSWORD",
    ],
    [
      "two data sources",
      { "audit:grafanaPrometheusUrl": "http://p:9090" },
      "audit:grafanaDataSource and audit:grafanaPrometheusUrl: set one of them; the first names a data source that exists, the second has one made",
    ],
    [
      "targets in files without a host for them",
      { "audit:prometheusHost": undefined, "audit:alerts": "none" },
      "audit:prometheusHost is missing; set it, or set audit:prometheusDiscovery to http instead of file",
    ],
    [
      "alerts without a place for them",
      { "audit:prometheusRules": undefined },
      "audit:prometheusRules is missing; set it, or set audit:alerts to grafana instead of prometheus",
    ],
    [
      "a metrics address with scheme",
      { "audit:metricsAddress": "http://vm2:9145" },
      "audit:metricsAddress must be host:port, or [IPv6 address]:port without a zone (%eth0), as Prometheus reaches the edge's metrics listener",
    ],
  ];
  for (const [what, change, message] of rules) {
    it(`refuses ${what}`, () => assert.deepEqual(problems(change), [message]));
  }

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
