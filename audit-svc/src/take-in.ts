import type pg from "pg";
import { eachPartition, inOne, makeIndex } from "./partitions.js";

/** Pages of a table (8 KB each) whose events one transaction takes in: some ten thousand events. */
const PAGES = 500;
/** Milliseconds between two lines about the progress. */
const REPORT = 10_000;

/**
 * Does what migration 006 needs but a transaction could do only by blocking writers: gives each event from before 005
 * its place in the order and its salt, and creates the index of each partition that finds events by that place. It may
 * be interrupted and run again: what is done stays done.
 * @param settings for a separate connection, because it works outside a transaction
 * @param role role to switch to first, if any
 */
export async function takeIn(
  settings: pg.ClientConfig,
  role: string | undefined,
  print: (line: string) => void,
): Promise<void> {
  let events = 0;
  let told = performance.now();
  await eachPartition(settings, 6, async (client, name) => {
    const table = `audit.${client.escapeIdentifier(name)}`;
    // Events of before 005 are in the pages that there are now; new versions of them go anywhere and are done.
    const { rows } = await client.query<{ pages: number }>(
      "SELECT (pg_relation_size($1::regclass) / current_setting('block_size')::int)::int AS pages",
      [table],
    );
    const pages = rows[0]?.pages ?? 0;
    for (let page = 0; page < pages; page += PAGES) {
      const { rowCount } = await inOne(client, role, () =>
        client.query(
          `UPDATE ${table} SET salt = gen_random_uuid(), seq = nextval('audit.event_seq_before')
            WHERE ctid >= '(${page},0)' AND ctid < '(${page + PAGES},0)' AND seq IS NULL`,
        ),
      );
      events += rowCount ?? 0;
      if (performance.now() - told < REPORT) continue;
      told = performance.now();
      print(`taking in: ${name} ${Math.floor((100 * page) / pages)} %, ${events} events so far`);
    }
    await makeIndex(client, name, "seq", ["INDEX", "seq"]);
  });
  print(`taken in: ${events} events`);
}
