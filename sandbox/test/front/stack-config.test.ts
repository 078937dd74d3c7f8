import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { readSettings } from "../../src/settings.js";
import { machineSettings, writeOneRunConfig, writeStackConfig } from "../../src/stack-config.js";
import { configFile, stackForVault } from "../../src/stack-file.js";
import { State } from "../../src/state.js";

describe("the stack's generated settings", () => {
  let root: string;
  let state: State;
  const settings = () => ({ ...readSettings({}), root, stateDir: join(root, ".sandbox") });
  const read = () => parse(readFileSync(state.path(configFile), "utf8")) as { config: Record<string, unknown> };
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "stack-"));
    state = new State(settings());
  });
  afterEach(() => rmSync(root, { recursive: true }));

  it("are the machine's, which override those of the tracked file", () => {
    writeFileSync(join(root, "Pulumi.sandbox.yaml"), "config:\n  audit:replicas: 3\n  audit:edgePort: 81\n");
    writeStackConfig(settings(), state, { "audit:edgePort": 80 });
    assert.deepEqual(read().config, { "audit:replicas": 3, "audit:edgePort": 80 });
  });

  it("keep what the developer has set, and the stack's key, and follow the machine in all else", () => {
    writeStackConfig(settings(), state, {
      "audit:image": "one",
      "audit:memory": 256,
      "audit:databaseAdminPort": 18032,
    });
    // As `pulumi config set audit:memory 512` leaves the file: numbers have become text.
    writeFileSync(
      state.path(configFile),
      'secretsprovider: hashivault://k\nencryptedkey: abc\nconfig:\n  audit:image: one\n  audit:memory: "512"\n  audit:databaseAdminPort: "18032"\n',
    );
    const own = writeStackConfig(settings(), state, {
      "audit:image": "two",
      "audit:memory": 256,
      "audit:databaseAdminPort": 28032,
    });
    assert.deepEqual(own, ["audit:memory"]);
    assert.deepEqual(read(), {
      secretsprovider: "hashivault://k",
      encryptedkey: "abc",
      config: { "audit:image": "two", "audit:memory": "512", "audit:databaseAdminPort": 28032 },
    });
  });

  it("deploy the working tree's image again after another one was set", () => {
    writeStackConfig(settings(), state, { "audit:image": "one", "audit:edgeImage": "nginx" });
    writeFileSync(state.path(configFile), "config:\n  audit:image: rolled-back\n  audit:edgeImage: other\n");
    assert.deepEqual(writeStackConfig(settings(), state, { "audit:image": "two", "audit:edgeImage": "nginx" }), []);
    assert.deepEqual(read().config, { "audit:image": "two", "audit:edgeImage": "nginx" });
  });

  it("can be overridden for one run without changing", () => {
    writeFileSync(state.path(configFile), "encryptedkey: abc\nconfig:\n  audit:image: one\n  audit:memory: 256\n");
    const before = readFileSync(state.path(configFile), "utf8");
    const file = writeOneRunConfig(state, { "audit:image": "former" });
    assert.deepEqual(parse(readFileSync(file, "utf8")), {
      encryptedkey: "abc",
      config: { "audit:image": "former", "audit:memory": 256 },
    });
    assert.equal(readFileSync(state.path(configFile), "utf8"), before);
  });

  it("name ports and addresses by the sandbox's settings", () => {
    const machine = machineSettings(
      readSettings({ SANDBOX_PORT_BASE: "28000", SANDBOX_SUBNET: "10.9.8" }),
      "unix:///x",
      {
        service: "s",
        nginx: "n",
        exporter: "e",
        vault: "v",
        prometheusTools: "p",
      },
      "/state/ca.pem",
    );
    assert.equal(machine["audit:hostAddress"], "ssh://deploy@127.0.0.1:28022");
    assert.equal(machine["audit:hostCidr"], "10.9.8.20/32");
    assert.equal(machine["audit:databaseAdminPort"], 28032);
    assert.deepEqual(machine["audit:edgeMetricsAllow"], ["10.9.8.13"]);
    assert.equal(machine["audit:databaseDriftUser"], "drift");
    assert.equal(machine["audit:caFile"], "/state/ca.pem");
    assert.equal(machine["audit:databaseSslMode"], undefined, "the default, verify-full, is what is tried");
  });

  it("are readable only by their owner", () => {
    writeStackConfig(settings(), state, {});
    assert.equal(statSync(state.path(configFile)).mode & 0o777, 0o600);
    assert.equal(statSync(state.dir).mode & 0o777, 0o700);
  });

  it("say what Vault is set up for, the developer's own included", () => {
    const set = settings();
    assert.deepEqual(stackForVault(set, state), {
      vaultPath: "audit-svc/sandbox",
      hostCidr: "10.213.18.20/32",
      databaseHost: "postgres.sandbox.test",
      log: "vault",
    });
    writeFileSync(
      state.path(configFile),
      'config:\n  audit:databaseCredentials: dynamic\n  audit:databasePort: "6432"\n  audit:tlsPkiRole: ""\n',
    );
    const { databaseCredentials, databasePort, tlsPkiRole } = stackForVault(set, state);
    assert.deepEqual([databaseCredentials, databasePort, tlsPkiRole], ["dynamic", 6432, undefined]);
  });
});
