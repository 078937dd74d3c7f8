import assert from "node:assert/strict";
import { createHash, randomBytes, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { deploysUnderLoad } from "./support/deploys";
import { nothingReloads } from "./support/nothing-reloads";
import { reloadsOf } from "./support/replicas";
import { platform, root, run, until } from "./support/sandbox";
import { pushOnePort } from "./support/variant";

const SECRET = "secret/data/audit-svc/sandbox";

interface Secret {
  data: { data: { tokens: { name: string; sha256: string; role: string }[] } };
}

/**
 * test/one-port-image, in Python, serves everything on its main port, which nginx reaches, so only the allow-list
 * protects /reload.
 */
describe("scenario: another implementation, with one port", function () {
  this.timeout(600_000);
  const { deploys, nothingLost } = deploysUnderLoad();
  let image: string;
  let secret: Secret | undefined;

  const networksOf = async (container: string) =>
    Object.keys(
      JSON.parse(
        await deploys().sandbox.docker("inspect", "--format", "{{json .NetworkSettings.Networks}}", container),
      ) as object,
    ).sort();

  before(async () => {
    image = await pushOnePort(deploys().sandbox);
  });
  after(async () => {
    if (secret !== undefined) await deploys().sandbox.vault("POST", SECRET, { data: secret.data.data });
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    const drop = ["psql", "-U", "postgres", "-d", "audit", "-c", "DROP SCHEMA IF EXISTS toy CASCADE"];
    await run(["docker", "exec", platform("postgres"), ...drop], { ...process.env, DOCKER_HOST: engineHost });
  });

  it("takes over from the reference service without losing a request", async () => {
    const before = await deploys().state();
    await deploys().mustUp({ image, reloadOn: "main" });
    await nothingLost();
    const { active } = await deploys().state();
    assert.notEqual(active, before.active);
    await deploys().serves(active);
    assert.deepEqual(await networksOf(`audit-svc-${active}-1`), ["audit-egress", "audit-front"]);
    assert.deepEqual(await networksOf("audit-svc-agent"), ["audit-admin", "audit-egress", "audit-front"]);
    assert.deepEqual(await networksOf("audit-edge-nginx"), ["audit-edge", "audit-front"]);
  });

  it("stores an event and gives it back", async () => {
    const { sandbox } = deploys();
    const id = randomUUID();
    const event = {
      ...{ id, application: "demo", actor: `e2e-${id}`, action: "login", resource: "console", outcome: "success" },
      occurredAt: new Date().toISOString(),
    };
    const token = sandbox.get("AUDIT_TOKEN");
    const sent = await sandbox.edge("/v1/events", { method: "POST", token, body: JSON.stringify(event) });
    assert.equal(sent.status, 201, sent.body);
    const read = await sandbox.edge("/v1/events?limit=1000", { token: sandbox.get("AUDIT_READ_TOKEN") });
    assert.match(read.body, new RegExp(id));
  });

  it("is reloaded by the agent, on its one port, when the secret changes", async () => {
    const { sandbox } = deploys();
    secret = await sandbox.vault<Secret>("GET", SECRET);
    assert.ok(secret, "the program wrote no secret");
    const before = await reloadsOf(sandbox);
    const token = randomBytes(24).toString("hex");
    const sha256 = createHash("sha256").update(token).digest("hex");
    const { data } = secret.data;
    const tokens = [...data.tokens, { name: "e2e", sha256, role: "reader" }];
    await sandbox.vault("POST", SECRET, { data: { ...data, tokens } });
    await until("every replica was asked to reload", 60, async () => {
      const now = await reloadsOf(sandbox);
      return Object.keys(now).every((replica) => (now[replica] ?? 0) > (before[replica] ?? 0)) ? true : undefined;
    });
    // More requests than there are replicas, so that each is asked.
    for (let i = 0; i < 20; i++) assert.equal((await sandbox.edge("/v1/events?limit=1", { token })).status, 200);
    await sandbox.vault("POST", SECRET, { data });
    await until("the token is taken back", 60, async () =>
      (await sandbox.edge("/v1/events?limit=1", { token })).status === 401 ? true : undefined,
    );
    secret = undefined;
    await nothingLost();
  });

  it("answers each of hundreds of raw requests for /reload with 404 or 400, and no replica reloads", async () => {
    // FastAPI checks the body before the token.
    await nothingReloads(deploys().sandbox, 422);
  });

  it("is replaced by the reference service again without losing a request", async () => {
    await deploys().mustUp();
    await nothingLost();
  });
});
