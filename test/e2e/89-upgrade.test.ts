import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { mustBootstrap, rootToken } from "./support/bootstrap";
import { Deploys } from "./support/deploys";
import { destroy, keepEvents } from "./support/destroy";
import { Earlier, isShallow, shortCommit } from "./support/earlier";
import { startLoad, withoutLoss } from "./support/load";
import { attached, platform, root, run, sandbox as cli } from "./support/sandbox";

/**
 * A stack that an earlier version deployed is updated as in docs/upgrading.md, while clients keep sending. The earlier
 * version is a commit, in upgrade-from.json; its program runs from a copy of the repository as it was then. It deploys
 * the sandbox's own stack, which is destroyed before: the names of containers, of Vault's roles and of dashboards are
 * fixed, so there is no room for a second.
 */
describe(`scenario: a stack of commit ${shortCommit} is updated`, function () {
  if (isShallow()) {
    it(`needs that commit, which this clone does not have: git fetch --unshallow`);
    return;
  }
  this.timeout(600_000);
  const sandbox = attached();
  let earlier: Earlier | undefined;
  let deploys: Deploys | undefined;
  let there: string[];
  let token: string;
  let steps: Step[] = [];
  // docs/upgrading.md keeps this line for the first deploy, where a company's own authority signed the database's certificate.
  const settings = { databaseSslMode: "require" };

  const sql = async (database: string, text: string) => {
    const psql = ["docker", "exec", platform("postgres"), "psql", "-U", "postgres", "-d", database, "-XAtc", text];
    const { code, output, stdout } = await run(psql, { ...process.env, DOCKER_HOST: undefined });
    assert.equal(code, 0, output);
    return stdout.trim().split("\n");
  };
  /**
   * What must be the same afterwards, each with something that a new one could not have: its ID or its creation time.
   */
  const lasting = async () => {
    const made = await sandbox().vault<{ data: { created_time: string } }>("GET", "secret/metadata/audit-svc/sandbox");
    const volumes = (await sandbox().docker("volume", "ls", "--quiet", "--filter", "name=^audit")).split("\n");
    const format = "{{.Name}} {{.CreatedAt}}";
    return [
      ...(await sql("postgres", "SELECT 'database', datname, oid FROM pg_database WHERE datname LIKE 'audit%'")),
      ...(await sql("postgres", "SELECT 'role', rolname, oid FROM pg_authid WHERE rolname LIKE 'audit%'")),
      ...(await sandbox().docker("volume", "inspect", "--format", format, ...volumes)).split("\n"),
      `secret ${made?.data.created_time}`,
    ];
  };

  before("deploy the earlier version", async function () {
    await keepEvents();
    // A new stack must start with version 1 of each token.
    const file = sandbox().get("PULUMI_OPTION_CONFIG_FILE");
    const stack = parse(readFileSync(file, "utf8")) as { config: Record<string, unknown> };
    delete stack.config["audit:tokenVersions"];
    writeFileSync(file, stringify(stack));

    const build = async () => {
      const program = (earlier = await Earlier.checkOut());
      return { program, image: await program.pushImage(sandbox()) };
    };
    const [{ program, image }] = await Promise.all([build(), destroy(sandbox())]);
    // Its program wrote these by itself.
    for (const path of ["auth/approle/role/audit-svc", "sys/policies/acl/audit-svc"]) {
      await sandbox().vault("DELETE", path, undefined, rootToken());
    }
    await program.bootstrap(sandbox());
    await program.up(sandbox(), { "audit:image": image, "audit:databaseSslMode": settings.databaseSslMode });
    deploys = new Deploys(sandbox());
    there = await lasting();
  });
  after("leave the sandbox as `make up` does", async () => {
    deploys?.close();
    earlier?.close();
    const { code, output } = await cli(["up"]);
    assert.equal(code, 0, output);
  });

  it("is updated under 500 requests/s, and no request and no event is lost", async () => {
    const tokens = await sandbox().vault<Secret>("GET", "secret/data/audit-svc/sandbox-tokens");
    token = tokens?.data.data["writer-demo"] ?? "";
    const load = startLoad({ url: sandbox().get("AUDIT_URL"), token, application: "demo", clients: 100, rate: 500 });
    const started = performance.now();
    try {
      // Step 3 of docs/upgrading.md, and the deploy; steps 1, 2 and 4 are done in the sandbox and its settings.
      await mustBootstrap(sandbox());
      const { code, stdout } = await sandbox().pulumi(["up", "--yes", "--skip-preview", "--json"], {
        ...deploys?.env(settings),
        GRAFANA_AUTH: undefined,
      });
      const events = eventsOf(stdout);
      assert.equal(code, 0, events.flatMap(({ diagnosticEvent }) => diagnosticEvent?.message ?? []).join(""));
      steps = events.flatMap(({ resourcePreEvent }) => resourcePreEvent?.metadata ?? []);
    } finally {
      await load.stop();
    }
    const { stored } = withoutLoss(await load.stop());
    const seconds = (performance.now() - started) / 1000;
    console.log(`      ${stored} requests in ${seconds.toFixed(0)} s`);
    assert.ok(stored / seconds > 450, `only ${(stored / seconds).toFixed(0)} requests/s`);
    assert.deepEqual(await sql("audit", "SELECT count(*) FROM audit.events WHERE actor = 'load'"), [String(stored)]);
  });

  it("replaces and deletes what CHANGELOG.md names, and nothing that holds data but the secret whose tokens move", async () => {
    const gone = steps.filter(({ op }) => op === "replace" || op === "delete");
    const named = (those: readonly Step[]) => those.map(({ urn }) => urn.split("::").at(-1) ?? "").sort();
    assert.deepEqual(named(gone), inChangelog());
    const holding = gone.filter(({ type }) => /^(postgresql|vault|random):|:Volume$/.test(type));
    assert.deepEqual(named(holding), ["audit-tokens"]);
    const moved = await sandbox().vault<Secret>("GET", "secret/data/audit-svc/sandbox-tokens/writer-demo");
    assert.equal(moved?.data.data.token, token);
    assert.equal(await sandbox().vault("GET", "secret/metadata/audit-svc/sandbox-tokens"), undefined);
  });

  it("keeps the database, the roles, the service's secret and the volumes", async () => {
    const now = await lasting();
    const lost = there.filter((each) => !now.includes(each));
    assert.deepEqual(lost, [], "these were replaced or deleted");
  });

  it("changes nothing at the second up", async () => {
    const { code, output } = (await deploys?.up(settings, ["--expect-no-changes"])) ?? {};
    assert.equal(code, 0, output);
  });
});

/**
 * The resources that CHANGELOG.md lists as replaced or deleted: the text in backticks before the colon of each line.
 */
function inChangelog(): string[] {
  const text = readFileSync(join(root, "CHANGELOG.md"), "utf8");
  const [, after] = text.split(`### Replaced or deleted over \`${shortCommit}\`\n`);
  assert.ok(after !== undefined, `CHANGELOG.md has no part "Replaced or deleted over \`${shortCommit}\`"`);
  const lines = (after.split("\n#")[0] ?? "").split("\n").filter((line) => line.startsWith("- "));
  return lines
    .flatMap((line) => [...(line.split(":")[0] ?? "").matchAll(/`([^`]+)`/g)].map(([, name]) => name ?? ""))
    .sort();
}

interface Secret {
  data: { data: Record<string, string> };
}

interface Step {
  op: string;
  urn: string;
  type: string;
}

interface Event {
  resourcePreEvent?: { metadata: Step };
  diagnosticEvent?: { message: string };
}

/** The output of `pulumi up --json`: one event a line. */
const eventsOf = (stdout: string): Event[] =>
  stdout
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Event);
