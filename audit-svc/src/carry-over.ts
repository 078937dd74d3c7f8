import type pg from "pg";
import { eachPartition, inOne, makeIndex } from "./partitions.js";

/**
 * Does what migration 004 needs but a transaction could do only by blocking writers: enters the events from before 003
 * in the register of ids, and creates the index of each partition that becomes its primary key. It may be interrupted
 * and run again.
 * @param settings for a separate connection, because it works outside a transaction
 * @param role role to switch to first, if any
 */
export async function carryOver(settings: pg.ClientConfig, role: string | undefined): Promise<void> {
  await eachPartition(settings, 4, async (client, name) => {
    await inOne(client, role, () =>
      client.query(
        `INSERT INTO audit.ids (bucket, id, application, occurred_at)
           SELECT audit.bucket_of(id), id, application, occurred_at FROM audit.${client.escapeIdentifier(name)}
         ON CONFLICT DO NOTHING`,
      ),
    );
    await makeIndex(client, name, "key", ["UNIQUE INDEX", "occurred_at, id, application"]);
  });
}
