import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import type { LightMyRequestResponse } from "fastify";
import pg from "pg";
import type { App } from "../src/app.js";
import { migrate } from "../src/migrate.js";
import { type TestDatabase, configOf, createDatabase } from "./support/database.js";
import { event, post } from "./support/events.js";
import { type PostgresServer, pause, startServer, until, withDatabase } from "./support/postgres.js";
import { startApp } from "./support/service.js";

const WAITING = `pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'`;

describe("a synchronous standby", function () {
  this.timeout(120_000);
  let primary: PostgresServer;
  let standby: PostgresServer;
  let database: TestDatabase;
  let app: App;
  let stop: () => Promise<void>;
  /** Ids that were answered 201. */
  const acked: string[] = [];

  before(async () => {
    primary = await startServer({ hostNetwork: true });
    database = await createDatabase({ server: primary });
    standby = await startServer({ standbyOf: primary });
    await database.query("ALTER SYSTEM SET synchronous_standby_names = '*'");
    await database.query("SELECT pg_reload_conf()");
    await until(
      async () => (await database.query("SELECT FROM pg_stat_replication WHERE sync_state = 'sync'")).length === 1,
      30_000,
      "the synchronous standby",
    );
    ({ app, stop } = await startApp(database.runtime, { storeSeconds: 2, writers: 2 }));
  });
  after(async () => {
    await stop();
    primary.remove();
    standby.remove();
  });

  const send = async (body: { id: string } | { id: string }[]): Promise<LightMyRequestResponse> => {
    const answer = await post(app.main, body);
    if (answer.statusCode === 201) acked.push(...[body].flat().map(({ id }) => id));
    return answer;
  };
  const waiting = async (count = 1): Promise<void> =>
    until(async () => (await database.query(`SELECT ${WAITING}`)).length === count, 10_000, `${count} commits waiting`);
  const end = (how: "cancel" | "terminate"): Promise<unknown> =>
    database.query(`SELECT pg_${how}_backend(pid) FROM (SELECT ${WAITING}) AS waiting`);
  const refused = (answer: LightMyRequestResponse): void => {
    assert.deepEqual(
      [answer.statusCode, answer.headers["retry-after"], answer.json<{ error: string }>().error],
      [503, "1", "storage_unavailable"],
    );
  };
  /** Sends while the standby is away, and cancels the commit's wait for each of the service's attempts. */
  const unconfirmed = async (body: { id: string } | { id: string }[], how: "cancel" | "terminate"): Promise<void> => {
    let answered = false;
    const answer = send(body).finally(() => (answered = true));
    await waiting();
    for (; !answered; await pause(50)) await end(how);
    refused(await answer);
  };

  const early = event();
  const [cancelled, terminated] = [event({ id: randomUUID() }), event()];
  const batch = [event(), event(), event({ application: "identity" })];
  const mixed = [event(), cancelled];

  it("acknowledges while it follows", async () => {
    assert.equal((await send(early)).statusCode, 201);
  });

  it("away: a commit whose wait is cancelled, by an administrator or with its connection, is no acknowledgement", async () => {
    await standby.kill();
    await unconfirmed(cancelled, "cancel");
    await unconfirmed(terminated, "terminate");
    await unconfirmed(batch, "cancel");
    const stored = await database.stored();
    for (const { id } of [cancelled, terminated, ...batch]) assert.equal(stored.get(id), 1, "committed on the primary");
  });

  it("away: the same ids again are not acknowledged either, alone, in batches and mixed with new ones", async () => {
    for (const body of [cancelled, terminated, batch, mixed, batch.slice(1), early]) refused(await send(body));
  });

  it("away: not even if the session suppresses warnings", async () => {
    await database.query(
      `SET synchronous_commit = local; ALTER ROLE ${database.runtime.user} SET client_min_messages = 'error'`,
    );
    const quiet = await startApp(database.runtime, { storeSeconds: 1 });
    let answered = false;
    const answer = post(quiet.app.main, cancelled).finally(() => (answered = true));
    await waiting();
    for (; !answered; await pause(50)) await end("cancel");
    refused(await answer);
    await quiet.stop();
  });

  it("away: the service cancels waiting commits, so that no connections pile up at the server", async () => {
    for (let i = 0; i < 2; i++) refused(await send(cancelled));
    await until(async () => (await database.query(`SELECT ${WAITING}`)).length === 0, 5000, "no commit waiting");
  });

  it("away: other content is a conflict, and what is there is still compared", async () => {
    assert.equal((await send({ ...cancelled, actor: "eve" } as { id: string })).statusCode, 409);
  });

  it("away: migrate says that its commit is not confirmed, also when there is nothing to do", async () => {
    const outcome = migrate(configOf({ database: database.owner }), { check: false, print: () => undefined });
    await waiting();
    await end("cancel");
    await assert.rejects(outcome, {
      name: "UserError",
      message:
        "migrate: the commit was not confirmed by the synchronous standby; run it again once the standby is back.",
    });
  });

  it("back: everything is acknowledged, and all of it survives a failover", async () => {
    await standby.start();
    for (const body of [cancelled, terminated, batch, mixed])
      await until(async () => (await send(body)).statusCode === 201, 30_000, "the acknowledgement");
    await primary.kill();
    const client = new pg.Client({ connectionString: withDatabase(standby.url, database.name) });
    await client.connect();
    await client.query("SELECT pg_promote()");
    const { rows } = await client.query<{ id: string; n: number }>(
      "SELECT id, count(*)::int AS n FROM audit.events GROUP BY id",
    );
    const there = new Map(rows.map(({ id, n }) => [id, n]));
    assert.ok(acked.length >= 7);
    assert.deepEqual(
      acked.filter((id) => there.get(id) !== 1),
      [],
      "acknowledged and not on the standby",
    );
    await client.end();
  });
});
