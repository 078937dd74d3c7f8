import assert from "node:assert/strict";
import { times } from "../support/depth";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { connectTo, medianAndWorst, takenIn } from "./support/database";
import { startLoad, withoutLoss, type Load } from "./support/load";
import { digestsOf } from "./support/replicas";
import { attached, run, until } from "./support/sandbox";

const secretPath = "secret/data/audit-svc/sandbox";
const rolePath = "database/roles/audit-svc";

interface Login {
  user: string;
  password: string;
}

describe("scenario: Vault creates the database logins, while clients keep sending", function () {
  this.timeout(900_000);
  const sandbox = attached();
  let load: Load | undefined;
  let staticLogin: Login;

  const up = async (credentials: "static" | "dynamic") => {
    // Vault's administrator decides to which server Vault talks.
    await mustBootstrap(sandbox(), { stack: { databaseCredentials: credentials } });
    const { code, output } = await sandbox().pulumi([
      ...["up", "--yes", "--skip-preview", "--config", `audit:databaseCredentials=${credentials}`],
    ]);
    assert.equal(code, 0, output);
    return output;
  };
  const send = () => {
    load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
      rate: times(200, 500),
      limit: 900,
    });
  };
  const nothingLost = async () => {
    const result = await load?.stop();
    load = undefined;
    const { stored } = withoutLoss(result);
    assert.ok(stored > 100, `only ${stored} requests were sent`);
    return stored;
  };
  /** The login in the file that the replicas read. */
  const rendered = async () => {
    const text = await sandbox().docker("exec", "audit-svc-agent", "cat", "/run/audit/config.json");
    return (JSON.parse(text) as { database: Login }).database;
  };
  const rolesIn = async (like: string) => {
    const client = await connectTo(sandbox(), {
      user: sandbox().get("PGUSER"),
      password: sandbox().get("PGPASSWORD"),
      database: "postgres",
    });
    try {
      const { rows } = await client.query<{ rolname: string }>("SELECT rolname FROM pg_roles WHERE rolname LIKE $1", [
        like,
      ]);
      return rows.map((row) => row.rolname);
    } finally {
      await client.end();
    }
  };
  const logIn = async (as: Login) => {
    try {
      await (await connectTo(sandbox(), as)).end();
      return "let in";
    } catch (error) {
      return (error as Error).message;
    }
  };

  before(async () => {
    staticLogin = await rendered();
  });
  after(async () => {
    await load?.stop();
    await up("static");
    await sandbox().mustPulumi("config", "rm", "audit:databaseCredentials");
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("takes over from the program without losing a request, and locks the program's logins", async () => {
    send();
    await up("dynamic");
    await nothingLost();
    const login = await rendered();
    assert.match(login.user, /^v-approle-audit-sv-/);
    assert.equal(await logIn(login), "let in");
    assert.match(await logIn(staticLogin), /not permitted to log in|password authentication failed/);
    const secret = await sandbox().vault<{ data: { data: { database: Partial<Login> } } }>("GET", secretPath);
    assert.deepEqual(
      Object.keys(secret?.data.data.database ?? {}).sort(),
      ["caCertificate", "host", "name", "port", "sslmode"],
      "no login stands in the secret",
    );
  });

  it("lets a deploy set the password of Vault's own login, and nothing else of the connection", async () => {
    const config = "database/config/audit-svc";
    for (const body of [
      { connection_url: "postgresql://{{username}}:{{password}}@attacker.test:5432/audit?sslmode=disable" },
      { password: "x", username: "postgres" },
      { plugin_name: "mysql-database-plugin" },
    ]) {
      await assert.rejects(sandbox().vault("POST", config, body), /403/, JSON.stringify(body));
    }
    const statements = { db_name: "audit-svc", creation_statements: ["CREATE ROLE mallory LOGIN"] };
    await assert.rejects(sandbox().vault("POST", rolePath, statements), /403/);
    await assert.rejects(sandbox().vault("GET", "database/creds/audit-svc"), /403/);
  });

  it("changes nothing at the second up", async () => {
    const { code, output } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("stores the passwords nowhere: neither the service's, nor Vault's own, which Vault has changed", async () => {
    const { password } = await rendered();
    const state = await sandbox().mustPulumi("stack", "export", "--show-secrets");
    assert.ok(!state.includes(password));
    const given = /::audit-svc-vault-password"[^]*?"result":[^]*?"plaintext": "\\"(\w{32})\\""/.exec(state)?.[1];
    assert.ok(given, "the state has no password of audit_vault");
    assert.match(await logIn({ user: "audit_vault", password: given }), /password authentication failed/);
    const containers = (await sandbox().docker("ps", "--all", "--quiet")).split("\n");
    assert.ok(!(await sandbox().docker("inspect", ...containers)).includes(password));
    for (const name of containers) {
      assert.ok(!(await run(["docker", "logs", name], sandbox().env)).output.includes(password), name);
    }
  });

  it("replaces them by itself when they expire, without losing a request", async () => {
    const role = await sandbox().vault<{ data: object }>("GET", rolePath);
    assert.ok(role);
    await sandbox().vault("POST", rolePath, { ...role.data, default_ttl: 10, max_ttl: 10 }, rootToken());
    send();
    const seconds: number[] = [];
    try {
      // The current login is valid for an hour; the short lifetime begins with the next one.
      await sandbox().docker("restart", "audit-svc-agent");
      let last = (await rendered()).user;
      for (let round = 0; round < times(3, 10); round++) {
        last = await until("another login", 60, async () => {
          const { user } = await rendered();
          return user === last ? undefined : user;
        });
        const digest = (await sandbox().docker("exec", "audit-svc-agent", "sha256sum", "/run/audit/config.json")).split(
          " ",
        )[0];
        await until("every replica has it", 30, async () =>
          (await digestsOf(sandbox())).every((each) => each === digest) ? true : undefined,
        );
        // Vault puts the time at which it made a login into its name, in whole seconds.
        seconds.push((await takenIn(sandbox())) / 1000 - Number(last.split("-").at(-1)));
      }
    } finally {
      await sandbox().vault("POST", rolePath, { ...role.data }, rootToken());
      // The next login has the long lifetime again.
      await sandbox().docker("restart", "audit-svc-agent");
      const stored = await nothingLost();
      console.log(
        `      ${seconds.length} rotations, ${stored} requests; from the login being made to the last replica: ${medianAndWorst(seconds)}`,
      );
    }
    await until("PostgreSQL knows the ended logins no more", 60, async () =>
      (await rolesIn("v-approle-%")).length <= 3 ? true : undefined,
    );
    const { code, output } = await sandbox().pulumi(["preview", "--refresh", "--expect-no-changes"]);
    assert.equal(code, 0, output);
  });

  it("returns to the program's logins without losing a request; Vault's logins, and its own, are gone", async () => {
    send();
    await up("static");
    await nothingLost();
    const login = await rendered();
    assert.equal(await logIn(login), "let in");
    assert.match(login.user, /^audit_app/);
    assert.notEqual(login.password, staticLogin.password);
    assert.deepEqual(await rolesIn("v-approle-%"), []);
    assert.deepEqual(await rolesIn("audit_vault"), []);
    await assert.rejects(
      sandbox().vault("GET", "database/creds/audit-svc", undefined, rootToken()),
      /failed|error/,
      "what bootstrap made has no login to the database any more",
    );
  });
});
