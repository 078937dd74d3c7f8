import assert from "node:assert/strict";
import { times } from "../support/depth";
import { startLoad } from "./support/load";
import { metricsOf, replicas } from "./support/replicas";
import { attached } from "./support/sandbox";

const path = "secret/data/audit-svc/sandbox";

interface Version {
  data: { data: { database: { user: string; password: string } }; metadata: { created_time: string } };
}

describe("journey: the database's password is rotated, while clients go on sending", function () {
  const sandbox = attached();

  const secret = async () => {
    const found = await sandbox().vault<Version>("GET", path);
    assert.ok(found, "Vault has no secret of the service");
    return { ...found.data.data.database, written: Date.parse(found.data.metadata.created_time) };
  };
  /** When the last of the replicas took in what it works with; milliseconds. */
  const takenIn = async () => {
    const each = await Promise.all(
      (await replicas(sandbox())).map(async (replica) =>
        Number(/^audit_config_last_reload_timestamp_seconds (\S+)/m.exec(await metricsOf(sandbox(), replica))?.[1]),
      ),
    );
    return Math.max(...each) * 1000;
  };
  const version = async () => Number(await sandbox().mustPulumi("stack", "output", "databasePasswordVersion"));
  const up = (wanted: number) =>
    sandbox().pulumi(["up", "--yes", "--skip-preview", "--config", `audit:databasePasswordVersion=${wanted}`]);
  /** Logs in to the database from beside the service. @returns what PostgreSQL said */
  const logIn = async (user: string, password: string) => {
    const { default: pg } = await import("pg");
    const client = new pg.Client({
      host: sandbox().get("PGHOST"),
      port: Number(sandbox().get("PGPORT")),
      database: "audit",
      user,
      password,
      ssl: false,
    });
    try {
      await client.connect();
      return "let in";
    } catch (error) {
      return (error as Error).message;
    } finally {
      await client.end().catch(() => undefined);
    }
  };

  it("loses no request; the former login works no more, and the new one is the only one that does", async () => {
    const load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
      rate: times(200, 500),
      limit: 900,
    });
    const seconds: number[] = [];
    try {
      for (let round = 0; round < times(2, 10); round++) {
        const before = await secret();
        const { code, output } = await up((await version()) + 1);
        assert.equal(code, 0, output);
        const after = await secret();
        assert.notEqual(after.user, before.user);
        assert.notEqual(after.password, before.password);
        seconds.push(((await takenIn()) - after.written) / 1000);
        assert.match(
          await logIn(before.user, before.password),
          /not permitted to log in|password authentication failed/,
        );
        assert.equal(await logIn(after.user, after.password), "let in");
      }
    } finally {
      const { lost, stored } = await load.stop();
      assert.deepEqual(lost, {}, `of ${stored} requests`);
      assert.ok(stored > 100, `only ${stored} requests were sent`);
      seconds.sort((a, b) => a - b);
      console.log(
        `      ${seconds.length} rotations, ${stored} requests; from the write in Vault to the last replica: median ${seconds[Math.floor(seconds.length / 2)]?.toFixed(1)} s, worst ${seconds.at(-1)?.toFixed(1)} s`,
      );
    }
  }).timeout(900_000);

  it("changes nothing at the second up", async () => {
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("refuses to skip a version, and changes nothing", async () => {
    const before = await secret();
    const present = await version();
    const { code, output } = await up(present + 2);
    await sandbox().mustPulumi("config", "set", "audit:databasePasswordVersion", String(present));
    assert.notEqual(code, 0);
    assert.match(output, new RegExp(`set it to ${present + 1} to rotate the password`));
    assert.deepEqual(await secret(), before);
  });
});
