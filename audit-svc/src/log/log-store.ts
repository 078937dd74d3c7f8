import type pg from "pg";
import { bucketOf } from "../ids.js";
import { ENTRY, type TileName, leafHashes, subtreesOf, widthIn } from "./tile.js";
import { HASH, type Subtree, TILE, fold } from "./tree.js";

/** How far the log has come. */
export interface Progress {
  /** Entries in the tree. */
  readonly size: number;
  /** The newest of these entries' places in the order of arrival. */
  readonly lastSeq: number;
}

/** A checkpoint that is kept. */
export interface Kept extends Progress {
  readonly note: string;
  /** Seconds since 1970. */
  readonly madeAt: number;
}

/** Advisory lock of the replica that computes hashes. */
const HASHING = "7305204801000003";

/** Events that one call gives their place; it takes about a tenth of a second. */
const STEP = 20_000;

/**
 * Gives settled events their place in the tree.
 * @returns how far the log has come, and whether there is more to do at once
 */
export async function sequence(db: pg.ClientBase): Promise<Progress & { readonly more: boolean }> {
  // Whatever the default of the database or the role is: each statement must see what was committed before it.
  await db.query("BEGIN ISOLATION LEVEL READ COMMITTED");
  const { rows } = await db.query<{ size: string; last_seq: string; more: boolean }>(
    `SELECT * FROM audit.log_sequence(${STEP})`,
  );
  await db.query("COMMIT");
  const [row] = rows;
  return { size: Number(row?.size), lastSeq: Number(row?.last_seq), more: row?.more === true };
}

/** The newest checkpoint that was signed, or that a witness has reported. */
export async function kept(db: pg.ClientBase, kind: "signed" | "witnessed"): Promise<Kept | undefined> {
  const { rows } = await db.query<{ size: string; last_seq: string; note: string; at: string }>({
    text: "SELECT size, last_seq, note, extract(epoch FROM made_at) AS at FROM audit.log_checkpoints WHERE kind = $1",
    values: [kind],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  return { size: Number(row.size), lastSeq: Number(row.last_seq), note: row.note, madeAt: Number(row.at) };
}

/** Keeps a checkpoint unless there is a larger one. */
export async function keep(
  db: pg.ClientBase,
  kind: "signed" | "witnessed",
  { size, lastSeq }: Progress,
  note: string,
): Promise<void> {
  await db.query({ text: "SELECT audit.log_keep($1, $2, $3, $4)", values: [kind, size, lastSeq, note] });
}

/** Seconds since the oldest event that no checkpoint covers was stored; 0 if there is none. @param after a place in the order */
export async function lag(db: pg.ClientBase, after: number): Promise<number> {
  const { rows } = await db.query<{ age: string }>({
    text: `SELECT greatest(0, extract(epoch FROM clock_timestamp() - recorded_at)) AS age
             FROM audit.events WHERE seq > $1 ORDER BY seq LIMIT 1`,
    values: [after],
  });
  return Number(rows[0]?.age ?? 0);
}

/** The entries of a bundle, side by side: at most `width`, fewer if there are not so many. */
export async function readEntries(db: pg.ClientBase, n: number, width: number): Promise<Buffer> {
  // One statement, because a bundle moves from the one table to the other when it becomes complete.
  const { rows } = await db.query<{ entries: Buffer }>({
    text: `SELECT entries FROM audit.log_entries WHERE bundle = $1
           UNION ALL SELECT partial FROM audit.log_state WHERE size / ${TILE} = $1`,
    values: [n],
  });
  return (rows[0]?.entries ?? Buffer.alloc(0)).subarray(0, width * ENTRY);
}

/** A tile's hashes. */
export async function readTile(db: pg.ClientBase, tile: TileName & { level: number }): Promise<Buffer> {
  const { level, n, width } = tile;
  if (level === 0) return leafHashes(await readEntries(db, n, width));
  const { rows } = await db.query<{ hashes: Buffer | null }>({
    text: `SELECT string_agg(hash, ''::bytea ORDER BY n) AS hashes
             FROM audit.log_hashes WHERE level = $1 AND n >= $2 AND n < $3`,
    values: [level, n * TILE, n * TILE + width],
  });
  const hashes = rows[0]?.hashes ?? Buffer.alloc(0);
  if (hashes.length !== width * HASH) throw new Error(`tile ${level}/${n} has ${hashes.length} bytes`);
  return hashes;
}

/** The tree of the first `size` entries, as it is stored. */
export const storedTree = (db: pg.ClientBase, size: number): Subtree => subtreesOf(size, (tile) => readTile(db, tile));

/** Tiles that are read by one statement. */
const AT_ONCE = 8;

/** Complete tiles from one on up to another, each with its hashes side by side. */
async function completeTiles(db: pg.ClientBase, level: number, first: number, end: number): Promise<Buffer[]> {
  if (level === 0) {
    const { rows } = await db.query<{ entries: Buffer }>({
      text: "SELECT entries FROM audit.log_entries WHERE bundle >= $1 AND bundle < $2 ORDER BY bundle",
      values: [first, end],
    });
    if (rows.length !== end - first) throw new Error(`bundles of entries are missing between ${first} and ${end}`);
    return rows.map(({ entries }) => leafHashes(entries));
  }
  const tiles: Buffer[] = [];
  for (let n = first; n < end; n++) tiles.push(await readTile(db, { level, n, width: TILE }));
  return tiles;
}

/** Tiles whose roots one call computes: that takes a fraction of a second. */
const TILES = 256;

/**
 * Computes and stores the roots of tiles that became complete, of the lowest level that has any. Not in SQL: a hash
 * costs PostgreSQL four times as much.
 * @returns whether all are there; `busy` if another replica is at it
 */
export async function hashTiles(db: pg.ClientBase, size: number): Promise<"done" | "more" | "busy"> {
  await db.query("BEGIN");
  const { rows } = await db.query<{ mine: boolean }>(`SELECT pg_try_advisory_xact_lock(${HASHING}) AS mine`);
  let result: "done" | "more" | "busy" = rows[0]?.mine === true ? "done" : "busy";
  for (let level = 1; result === "done" && size >= TILE ** level; level++) {
    const { rows } = await db.query<{ n: string }>({
      text: "SELECT coalesce(max(n) + 1, 0) AS n FROM audit.log_hashes WHERE level = $1",
      values: [level],
    });
    const first = Number(rows[0]?.n);
    const end = Math.min(Math.floor(size / TILE ** level), first + TILES);
    const hashes: Buffer[] = [];
    // A few at once, which takes about a millisecond; between them requests are served.
    for (let n = first; n < end; n += AT_ONCE) {
      const tiles = await completeTiles(db, level - 1, n, Math.min(end, n + AT_ONCE));
      hashes.push(...tiles.map(fold));
    }
    if (hashes.length === 0) continue;
    const values = [level, first, Buffer.concat(hashes)];
    await db.query({ text: "SELECT audit.log_add_hashes($1::smallint, $2, $3)", values });
    result = "more";
  }
  await db.query("COMMIT");
  return result;
}

/** One event's entry and where to look for it. */
export interface Logged {
  readonly application: string;
  readonly seq: number;
  /** The salt's 16 bytes. */
  readonly salt: Buffer;
  readonly entry: Buffer;
}

/** The events with this id, each with its entry; at most two, because two are too many to choose from. */
export async function findEvents(
  db: pg.ClientBase,
  id: string,
  application: string | undefined,
): Promise<readonly Logged[]> {
  const { rows } = await db.query<{ application: string; seq: string; salt: Buffer; entry: Buffer }>({
    text: `SELECT application, seq, uuid_send(salt) AS salt,
                  audit.log_entry(seq, salt, id, occurred_at, recorded_at, application, actor, action, resource, outcome, data) AS entry
             FROM audit.ids JOIN audit.events USING (occurred_at, id, application)
            WHERE bucket = $1 AND id = $2 AND ($3::text IS NULL OR application = $3) LIMIT 2`,
    values: [bucketOf(id), id, application],
  });
  return rows.map((row) => ({ ...row, seq: Number(row.seq) }));
}

/** The position of an event's entry in the tree; `undefined` if it has none yet, or not this one. */
export async function positionOf(db: pg.ClientBase, { seq, entry }: Logged): Promise<number | undefined> {
  const { rows } = await db.query<{ bundle: string; entries: Buffer }>({
    text: `(SELECT bundle, entries FROM audit.log_entries WHERE last_seq >= $1 ORDER BY last_seq LIMIT 1)
           UNION ALL SELECT size / ${TILE}, partial FROM audit.log_state`,
    values: [seq],
  });
  for (const { bundle, entries } of rows) {
    for (let at = 0; at < entries.length; at += ENTRY)
      if (entries.subarray(at, at + ENTRY).equals(entry)) return Number(bundle) * TILE + at / ENTRY;
  }
  return undefined;
}

/** Whether a tree of this size has this tile. */
export const has = (size: number, { level, n, width }: TileName): boolean => width <= widthIn(size, level, n);
