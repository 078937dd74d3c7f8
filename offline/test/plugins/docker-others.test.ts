import assert from "node:assert/strict";
import { formatDuration, parseDuration } from "../../plugins/docker/durations.js";
import { cpusOf } from "../../plugins/docker/container-state.js";
import { sshCommand } from "../../plugins/docker/connection.js";
import { Engine } from "../../plugins/docker/engine.js";
import { authHeader, registryAuths, registryOf } from "../../plugins/docker/registry.js";
import { baseImage } from "../../conformance/harness/base-image.js";
import { docker } from "./docker-containers.js";
import { startRegistry } from "./docker-registry-server.js";
import { startSshServer, type SshServer } from "./docker-sshd.js";
import { Plugin, Resource } from "./provider-client.js";

const SOCKET = "/var/run/docker.sock";
const PREFIX = `dtest-others-${process.pid}`;

describe("docker stand-in: connections", function () {
  this.timeout(60_000);
  let server: SshServer;
  before(async () => {
    server = await startSshServer(SOCKET);
  });
  after(() => server.close());

  it("runs ssh as docker's own command line does", () => {
    assert.deepEqual(sshCommand({ host: "ssh://me@vm2:2222", sshOpts: ["-i", "key"] }), [
      ...["-i", "key", "-o ConnectTimeout=30", "-T", "-l", "me", "-p", "2222"],
      ...["--", "vm2", "docker", "system", "dial-stdio"],
    ]);
    assert.deepEqual(sshCommand({ host: "ssh://me@[2001:db8::5]", sshOpts: ["-oConnectTimeout=5"] }).slice(-5, -3), [
      "--",
      "2001:db8::5",
    ]);
    assert.deepEqual(sshCommand({ host: "ssh://vm2/run/other.sock", sshOpts: ["-o", "ConnectTimeout=5"] }), [
      ...["-o", "ConnectTimeout=5", "-T", "--", "vm2"],
      ...["docker", "--host=unix:///run/other.sock", "system", "dial-stdio"],
    ]);
    for (const host of ["ssh://", "ssh://a:b@vm2", "ssh://vm2/?x=y"]) {
      assert.throws(() => sshCommand({ host, sshOpts: [] }), /write it as ssh:\/\/user@host/);
    }
  });

  it("shares a few ssh connections between many requests, and uses them again", async () => {
    const engine = new Engine({ host: server.host, sshOpts: server.sshOpts });
    const before = server.commands.length;
    await Promise.all(Array.from({ length: 30 }, () => engine.request("GET", "/version")));
    for (let i = 0; i < 5; i++) await engine.request("GET", "/version");
    assert.ok(server.commands.length - before <= 6, `${server.commands.length - before} connections`);
    engine.close();
  });

  it("says what ssh said, and what to try", async () => {
    const host = server.host.replace("127.0.0.1", "localhost");
    const engine = new Engine({ host, sshOpts: server.sshOpts });
    await assert.rejects(
      engine.request("GET", "/version"),
      /ssh to localhost ended with exit status 255 before Docker answered; it said: .*Host key verification failed\. Check that/,
    );
    engine.close();
  });

  it("comes back after the other side has closed its connections", async () => {
    const engine = new Engine({ host: server.host, sshOpts: server.sshOpts });
    await engine.request("GET", "/version");
    server.disconnect();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    await engine.request("GET", "/version");
    engine.close();
  });

  it("names a socket that is not there, and a host that is no engine's", async () => {
    const at = (host: string) => new Engine({ host, sshOpts: [] }).request("GET", "/version");
    await assert.rejects(
      at("unix:///nonexistent.sock"),
      /unix:\/\/\/nonexistent.sock: .*ENOENT.*check that dockerd is running there/,
    );
    await assert.rejects(at("tcp://127.0.0.1:1"), /ECONNREFUSED/);
    assert.throws(() => new Engine({ host: "vm2", sshOpts: [] }), /host "vm2": unknown kind of address/);
  });

  it("runs a container over ssh", async () => {
    const plugin = await Plugin.start("docker");
    try {
      await plugin.configure({ host: server.host, sshOpts: server.sshOpts });
      const one = await new Resource(plugin, "docker:index/container:Container", `${PREFIX}-ssh`).create({
        image: baseImage(),
        command: ["echo", "there"],
        attach: true,
        logs: true,
        mustRun: false,
      });
      assert.equal(one.state.containerLogs, "there\n");
      await one.delete();
    } finally {
      await plugin.stop();
    }
  });
});

describe("docker stand-in: networks, volumes, images", function () {
  this.timeout(60_000);
  let plugin: Plugin;
  before(async () => {
    plugin = await Plugin.start("docker", { DOCKER_HOST: `unix://${SOCKET}` });
    await plugin.configure({});
  });
  after(() => plugin.stop());

  const resource = (type: string, name: string, from = plugin) =>
    new Resource(from, `docker:index/${type}`, `${PREFIX}-${name}`);

  it("makes a network as told; everything replaces, and a name by hand goes first", async () => {
    const inputs = {
      name: `${PREFIX}-net`,
      internal: true,
      ipamConfigs: [{ subnet: "172.31.79.0/24" }],
      labels: [
        { label: "b", value: "2" },
        { label: "a", value: "1" },
      ],
    };
    const network = await resource("network:Network", "net").create(inputs);
    const format = "{{.Internal}} {{(index .IPAM.Config 0).Subnet}} {{.Labels.b}}";
    assert.equal(docker("network", "inspect", "--format", format, inputs.name), "true 172.31.79.0/24 2");
    await network.refresh();
    assert.equal(await network.up(inputs), "same");
    for (const change of [
      { internal: false },
      { labels: [] },
      { options: { "com.docker.network.bridge.name": "x" } },
    ]) {
      const diff = await network.diff({ ...inputs, ...change });
      assert.deepEqual([diff.replaces, diff.deleteBeforeReplace], [Object.keys(change), true]);
    }
    await network.delete();
  });

  it("gives a network up only when its last container has left", async () => {
    const network = await resource("network:Network", "busy").create({});
    const name = String(network.state.name);
    const id = docker("run", "-d", "--network", name, baseImage(), "sleep", "60");
    const gone = network.delete();
    setTimeout(() => docker("rm", "-f", id), 1500);
    await gone;
    assert.throws(() => docker("network", "inspect", name));
  });

  it("takes over a volume of the same name without a word, and removes it", async () => {
    const name = `${PREFIX}-vol`;
    docker("volume", "create", "--label", "whose=somebody", name);
    const volume = await resource("volume:Volume", "vol").create({ name, labels: [{ label: "whose", value: "ours" }] });
    assert.equal(docker("volume", "inspect", "--format", "{{.Labels.whose}}", name), "somebody");
    await volume.refresh();
    assert.deepEqual((await volume.diff({ name, labels: [{ label: "whose", value: "ours" }] })).replaces, ["labels"]);
    await volume.delete();
    assert.throws(() => docker("volume", "inspect", name));
  });

  it("pulls by digest with the login of the image's registry, only when it is not there", async () => {
    const registry = await startRegistry(PREFIX);
    const ours = await Plugin.start("docker", { DOCKER_HOST: `unix://${SOCKET}` });
    try {
      await ours.configure({ registryAuth: [{ address: `http://${registry.host}`, ...registry.login }] });
      const name = `${registry.repository}@${registry.digest}`;
      const image = await resource("remoteImage:RemoteImage", "digest", ours).create({ name });
      assert.equal(image.state.repoDigest, name);
      assert.equal(image.id, `${String(image.state.imageId)}${name}`);
      // Without any registry now: what is there is not asked for again.
      registry.close();
      const again = await resource("remoteImage:RemoteImage", "again").create({ name, keepLocally: true });
      assert.equal(again.state.imageId, image.state.imageId);
      await again.delete();
      assert.equal(await image.refresh(), true);
      await image.delete();
      assert.equal(await again.create({ name, keepLocally: true }).catch(() => "pulls"), "pulls");
    } finally {
      registry.close();
      await ours.stop();
    }
  });

  it("names the registry's refusal without a login", async () => {
    const registry = await startRegistry(`${PREFIX}-refused`);
    try {
      await assert.rejects(
        resource("remoteImage:RemoteImage", "refused").create({ name: `${registry.repository}:one` }),
        /unable to pull image .*: Error response from daemon: .*no basic auth credentials/,
      );
    } finally {
      registry.close();
    }
  });

  it("refuses settings of a login that it does not implement, by name", async () => {
    const other = await Plugin.start("docker");
    try {
      const registryAuth = [{ address: "a.example", configFile: "/x" }];
      await assert.rejects(
        other.configure({ registryAuth }),
        /docker Provider does not implement registryAuth.configFile/,
      );
    } finally {
      await other.stop();
    }
  });
});

describe("docker stand-in: spellings", () => {
  it("finds the registry in an image's name, and its login", () => {
    const cases: Record<string, string> = {
      nginx: "registry-1.docker.io",
      "grafana/grafana:1": "registry-1.docker.io",
      "localhost/a": "localhost",
      "a.example/b": "a.example",
      "registry.sandbox.test:5000/a/b@sha256:00": "registry.sandbox.test:5000",
      "team/sub/image": "team",
    };
    for (const [image, registry] of Object.entries(cases)) assert.equal(registryOf(image), registry, image);
    const auths = registryAuths([{ address: "https://a.example/v2", username: "u", password: "p?>" }]);
    const login = { username: "u", password: "p?>", serveraddress: "https://a.example" };
    assert.deepEqual(JSON.parse(Buffer.from(authHeader(auths, "a.example/b"), "base64url").toString()), login);
    assert.match(authHeader(auths, "a.example/b"), /^[\w-]+=*$/);
    assert.equal(authHeader(auths, "b.example/b"), "e30=");
  });

  it("writes registryAuth into its inputs as Go does, with sorted keys", async () => {
    const ours = await Plugin.start("docker");
    const given = [{ username: "u", password: "a&b", address: "a.example" }];
    assert.deepEqual(await ours.checkConfig({ registryAuth: given }), {
      registryAuth: '[{"address":"a.example","password":"a\\u0026b","username":"u"}]',
    });
    await ours.configure({ registryAuth: given });
    await ours.stop();
  });

  it("reads and writes durations as Go does", () => {
    const cases: Record<string, string> = {
      "90s": "1m30s",
      "1h": "1h0m0s",
      "1500ms": "1.5s",
      "0": "0s",
      "250us": "250µs",
    };
    for (const [given, canonical] of Object.entries(cases))
      assert.equal(formatDuration(parseDuration(given) ?? NaN), canonical);
    for (const wrong of ["", "5", "abc", "1 s"]) assert.equal(parseDuration(wrong), undefined, wrong);
  });

  it("writes numbers of CPUs as the genuine plugin does", () => {
    const cases: Record<string, number> = { "1.0": 1e9, "0.5": 5e8, "1.5": 15e8, "0.25": 25e7, "0.1": 5e7 };
    for (const [text, nanoseconds] of Object.entries(cases)) assert.equal(cpusOf(nanoseconds), text);
  });
});
