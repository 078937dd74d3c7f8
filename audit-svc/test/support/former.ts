import pg from "pg";
import Postgrator from "postgrator";
import { migrationsDirectory } from "../../src/migrate.js";
import { type TestDatabase, createDatabase } from "./database.js";

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
