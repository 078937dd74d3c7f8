import pg from "pg";
import Postgrator from "postgrator";
import { batchOf } from "../../src/batch.js";
import { checkEvents } from "../../src/body.js";
import { defaultLimits } from "../../src/config.js";
import { storeBatches } from "../../src/event-writer.js";
import { migrationsDirectory } from "../../src/migrate.js";
import { kindOf } from "../../src/storage.js";
import { type TestDatabase, createDatabase } from "./database.js";
import { pause } from "./postgres.js";

/** What each version of the schema granted the runtime role. */
const GRANTS: Record<2 | 4, string> = {
  2: "SELECT, INSERT ON audit.events, audit.event_ids",
  4: "EXECUTE ON FUNCTION audit.store",
};

/** A database as a former release has left it, by the version of its schema. */
export async function createFormer(version: 2 | 4): Promise<TestDatabase> {
  const database = await createDatabase({ migrated: false });
  const { host, port, name, user, password } = database.owner;
  const owner = new pg.Client({ host, port, database: name, user, password });
  await owner.connect();
  const postgrator = new Postgrator({
    driver: "pg",
    migrationPattern: `${migrationsDirectory()}/*.sql`,
    schemaTable: "audit.schema_migrations",
    execQuery: (query) => owner.query(query),
  });
  await postgrator.migrate(String(version));
  await owner.query(`
    GRANT USAGE ON SCHEMA audit TO ${database.runtimeRole};
    GRANT ${GRANTS[version]} TO ${database.runtimeRole};
    GRANT SELECT ON audit.events, audit.schema_migrations TO ${database.runtimeRole};
    GRANT EXECUTE ON FUNCTION audit.ensure_partitions() TO ${database.runtimeRole}`);
  await owner.end();
  return database;
}

/** A connection of a former release. */
export async function connectFormer({ host, port, name, user, password }: TestDatabase["runtime"]): Promise<pg.Client> {
  const client = new pg.Client({ host, port, database: name, user, password });
  await client.connect();
  return client;
}

/** Stores events like a former release: it has the same statement and retries the same errors. */
export async function storeAsFormer(db: pg.Client, events: readonly object[]): Promise<void> {
  const batch = batchOf(checkEvents(events, defaultLimits, undefined));
  for (let tries = 0; ; tries++) {
    try {
      await storeBatches(db, [batch]);
      return;
    } catch (error) {
      if (!["connection", "timeout"].includes(kindOf(error)) || tries > 50) throw error;
      await pause(20);
    }
  }
}
