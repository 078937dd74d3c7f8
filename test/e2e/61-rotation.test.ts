import assert from "node:assert/strict";
import { times } from "../support/depth";
import { connectTo, medianAndWorst, takenIn } from "./support/database";
import { startLoad, withoutLoss } from "./support/load";
import { attached } from "./support/sandbox";

const path = "secret/data/audit-svc/sandbox";

interface Version {
  data: { data: { database: { user: string; password: string } }; metadata: { created_time: string } };
}

describe("scenario: the database's password is rotated, while clients keep sending", function () {
  const sandbox = attached();

  const secret = async () => {
    const found = await sandbox().vault<Version>("GET", path);
    assert.ok(found, "Vault has no secret of the service");
    return { ...found.data.data.database, written: Date.parse(found.data.metadata.created_time) };
  };
  const version = async () => {
    const output = await sandbox().mustPulumi("stack", "output", "releases", "--json");
    return (JSON.parse(output) as { databasePasswordVersion: number }).databasePasswordVersion;
  };
  const up = (wanted: number) =>
    sandbox().pulumi(["up", "--yes", "--skip-preview", "--config", `audit:databasePasswordVersion=${wanted}`]);
  /** Logs in to the database from the service's network. @returns PostgreSQL's message */
  const logIn = async (user: string, password: string) => {
    try {
      await (await connectTo(sandbox(), { user, password })).end();
      return "let in";
    } catch (error) {
      return (error as Error).message;
    }
  };

  it("loses no request; afterwards only the new login works", async () => {
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
        seconds.push(((await takenIn(sandbox())) - after.written) / 1000);
        assert.match(
          await logIn(before.user, before.password),
          /not permitted to log in|password authentication failed/,
        );
        assert.equal(await logIn(after.user, after.password), "let in");
      }
    } finally {
      const { stored } = withoutLoss(await load.stop());
      assert.ok(stored > 100, `only ${stored} requests were sent`);
      console.log(
        `      ${seconds.length} rotations, ${stored} requests; from the write in Vault to the last replica: ${medianAndWorst(seconds)}`,
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
