import assert from "node:assert/strict";
import { destroy, keepEvents } from "./support/destroy";
import { attached, platform, platformNetwork, run, sandbox as cli } from "./support/sandbox";

/**
 * The last scenario: it destroys the stack, the events included, and deploys it again. The database is copied to .sandbox/backup
 * first, so that running the tests loses nobody's events.
 */
describe("scenario: destroy leaves nothing, and `make up` starts from scratch", () => {
  const sandbox = attached();
  const onHere = { ...process.env, DOCKER_HOST: undefined };

  before("keep a copy of the database", keepEvents);

  it("destroys the stack", async () => {
    await destroy(sandbox());
    assert.doesNotMatch(await sandbox().mustPulumi("stack", "--show-ids"), /docker:|vault:|postgresql:/);
  });

  it("leaves no container, volume or network on VM2", async () => {
    assert.equal(await sandbox().docker("ps", "--all", "--quiet"), "");
    assert.equal(await sandbox().docker("volume", "ls", "--quiet"), "");
    const networks = (await sandbox().docker("network", "ls", "--format", "{{.Name}}")).split("\n").sort();
    assert.deepEqual(networks, ["bridge", "host", "none"]);
  });

  it("leaves nothing of its own in PostgreSQL, Vault, Prometheus and Grafana", async () => {
    const query = async (sql: string): Promise<string> => {
      const { code, output, stdout } = await run(["psql", "-XAtc", sql], sandbox().env);
      assert.equal(code, 0, output);
      return stdout.trim();
    };
    assert.equal(await query("SELECT string_agg(datname, ',') FROM pg_database WHERE datname LIKE 'audit%'"), "");
    assert.equal(await query("SELECT string_agg(rolname, ',') FROM pg_roles WHERE rolname LIKE 'audit%'"), "");

    // Bootstrap's own stays: it was never the stack's.
    assert.ok(await sandbox().vault("GET", "sys/policies/acl/audit-svc"));
    assert.ok(await sandbox().vault("GET", "auth/approle/role/audit-svc"));
    const left = await sandbox().vault<{ data: { keys: string[] } }>("GET", "secret/metadata/audit-svc/?list=true");
    assert.deepEqual(left?.data.keys.filter((name) => name.startsWith("sandbox")) ?? [], [], "secrets are still there");

    const files = await run(
      ["docker", "exec", platform("prometheus"), "sh", "-c", "ls /etc/prometheus/targets /etc/prometheus/rules"],
      onHere,
    );
    assert.doesNotMatch(files.stdout, /audit/);

    assert.deepEqual(await sandbox().grafana("GET", "folders"), []);
  });

  it("comes down although others are on its network: what tests have left goes, and anybody else's runs on", async () => {
    const image = (await run(["docker", "inspect", "--format", "{{.Image}}", platform("vm2")], onHere)).stdout.trim();
    const [left, other] = [platform("left-over"), "somebody-else"];
    for (const name of [left, other]) {
      const start = ["docker", "run", "--detach", "--rm", "--name", name, "--network", platformNetwork];
      const started = await run([...start, "--entrypoint", "sleep", image, "120"], onHere);
      assert.equal(started.code, 0, started.output);
    }
    try {
      const { code, output } = await cli(["down"]);
      assert.equal(code, 0, output);
      const names = (await run(["docker", "ps", "--all", "--format", "{{.Names}}"], onHere)).stdout.split("\n");
      assert.ok(names.includes(other), names.join());
      assert.ok(!names.some((name) => name.startsWith(platform(""))), names.join());
    } finally {
      await run(["docker", "rm", "--force", other], onHere);
    }
  });

  it("deploys again from nothing, and an event goes through", async () => {
    const { code, output } = await cli(["up"]);
    assert.equal(code, 0, output);
    assert.match(output, /stored and read back/);
    const again = await cli(["up"]);
    assert.equal(again.code, 0, again.output);
    assert.match(again.output, /pulumi up: cached .*nothing to change/);
  });
});
