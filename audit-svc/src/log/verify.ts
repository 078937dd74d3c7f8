import { UserError } from "../errors.js";
import { type SaltedEvent, readEvent } from "./entry.js";
import { EntryIndex } from "./entry-index.js";
import { type Finding, Findings, ageOf } from "./findings.js";
import { type Checkpoint, type Verifier, openCheckpoint } from "./note.js";
import type { Source } from "./source.js";
import { fromBundle, leafHashes, widthIn } from "./tile.js";
import { HASH, TILE, fold } from "./tree.js";

/** How many bundles are asked for at once. */
const AT_ONCE = 8;
/** Seconds to wait for a checkpoint that covers the newest events. */
const PATIENCE = 15;

export interface VerifyOptions {
  readonly verifiers: readonly Verifier[];
  /** An earlier checkpoint, which the log must extend. */
  readonly since: string | undefined;
  /** Months wholly older than this may be missing. */
  readonly retentionDays: number | undefined;
  /** Seconds by which the order of arrival and the times of arrival may differ. */
  readonly tolerance: number;
  readonly progress: (line: string) => void;
}

/** The outcome of a verification. */
export interface Verdict {
  readonly whole: boolean;
  readonly origin: string;
  /** Entries under the newest checkpoint. */
  readonly size: number;
  readonly root: string;
  /** Events that have their entry. */
  readonly events: number;
  /** Events that are missing because their month is older than retention keeps. */
  readonly dropped: number;
  /** Events so new that no checkpoint covers them yet. */
  readonly uncovered: number;
  readonly findings: readonly Finding[];
  /** How many findings there are; more than are listed if there are very many. */
  readonly count: number;
}

/**
 * Reads every event and every entry, and compares the events' values with the entries, these with the checkpoint's root,
 * and this with an earlier checkpoint.
 * @throws {UserError} if it could not be checked
 */
export async function verify(source: Source, options: VerifyOptions): Promise<Verdict> {
  const findings = new Findings();
  const index = new EntryIndex();
  const since = options.since === undefined ? undefined : open(options.since, options, "--since");
  const load = async (): Promise<Checkpoint> => {
    const checkpoint = open(await source.checkpoint(), options, "the log's checkpoint");
    await addEntries(source, index, checkpoint, since, options, findings);
    return checkpoint;
  };
  // What must be there: events that come in from now on may or may not be among those that are read.
  const first = await load();
  const unknown = await readEvents(source, index, options);
  let newest = await load();
  let left = rematch(index, unknown);
  // New events need a checkpoint that covers them; events in place of others at the log's end are changed ones.
  const comparing = { ...options, live: source.live };
  const isShort = (): boolean =>
    left.filter((event) => ageOf(event, index, comparing) !== undefined).length > index.unknownAtEnd();
  for (let waited = 0; source.live && waited < PATIENCE && isShort(); waited++) {
    options.progress("waiting for a checkpoint that covers the newest events");
    await new Promise((resolve) => setTimeout(resolve, 1000));
    newest = await load();
    left = rematch(index, left);
  }
  if (since !== undefined && since.size > newest.size) findings.shrunk(since.size, newest.size, source.live);
  const { dropped, uncovered, waiting } = findings.compare(index, first.size, left, comparing);
  if (waiting > 0 && findings.count === 0)
    throw new UserError(
      `${waiting} events that were stored minutes ago are under no checkpoint yet; everything before them is whole. Either the log does not come on (audit_log_lag_seconds, audit_log_errors_total), or they were inserted past the service; verify again once it signs.`,
    );
  return {
    whole: findings.count === 0,
    origin: newest.origin,
    size: newest.size,
    root: newest.root.toString("base64"),
    events: index.matched,
    dropped,
    uncovered: uncovered + waiting,
    findings: findings.list,
    count: findings.count,
  };
}

/** @throws {UserError} if none of the keys has signed it */
export function open(note: string, { verifiers }: Pick<VerifyOptions, "verifiers">, what: string): Checkpoint {
  const checkpoint = openCheckpoint(note, verifiers);
  if (checkpoint === undefined)
    throw new UserError(
      `${what} is not signed by any --key; give the log's public key, and after a rotation the former one too.`,
    );
  return checkpoint;
}

/** Adds the entries that the index does not have yet, and compares roots on the way. */
async function addEntries(
  source: Source,
  index: EntryIndex,
  checkpoint: Checkpoint,
  since: Checkpoint | undefined,
  { progress }: VerifyOptions,
  findings: Findings,
): Promise<void> {
  const { size } = checkpoint;
  if (size < index.size) return findings.shrunk(index.size, size, source.live);
  const before = index.size;
  const read = async (n: number): Promise<Buffer> => {
    const width = widthIn(size, "entries", n);
    const entries = fromBundle(await source.tile({ level: "entries", n, width }), width);
    if (entries === undefined)
      throw new UserError(`the bundle of entries ${n} is not one; is this the log of an audit service?`);
    return entries;
  };
  const compare = (): void => {
    if (since?.size === index.size && !index.root().equals(since.root)) findings.rewritten(since.size);
  };
  compare();
  const last = Math.ceil(size / TILE);
  for (let n = Math.floor(before / TILE); n < last; n += AT_ONCE) {
    const numbers = Array.from({ length: Math.min(AT_ONCE, last - n) }, (_, i) => n + i);
    for (const [i, bundle] of (await Promise.all(numbers.map(read))).entries()) {
      let start = index.size - (n + i) * TILE;
      const entry = bundle.length / widthIn(size, "entries", n + i);
      // The earlier checkpoint's root is known only in the middle of a bundle.
      const stop = (since?.size ?? -1) - (n + i) * TILE;
      if (stop > start && stop * entry < bundle.length) {
        index.add(bundle.subarray(start * entry, stop * entry));
        compare();
        start = stop;
      }
      index.add(bundle.subarray(start * entry));
      compare();
    }
    if (Math.floor(n / AT_ONCE) % 64 === 63) progress(`entries: ${index.size} of ${size}`);
  }
  if (findings.hasOtherRoot || index.root().equals(checkpoint.root)) return;
  findings.otherRoot(await firstOtherBundle(source, size), size);
}

/** The first bundle whose entries do not have the hash that the tile above has of them. */
async function firstOtherBundle(source: Source, size: number): Promise<number | undefined> {
  for (let tile = 0; tile * TILE * TILE < size; tile++) {
    const width = widthIn(size, 1, tile);
    const hashes = width === 0 ? Buffer.alloc(0) : await source.tile({ level: 1, n: tile, width });
    for (let n = 0; n < width; n++) {
      const entries = fromBundle(await source.tile({ level: "entries", n: tile * TILE + n, width: TILE }), TILE);
      const root = entries && fold(leafHashes(entries));
      if (root?.equals(hashes.subarray(n * HASH, (n + 1) * HASH)) !== true) return tile * TILE + n;
    }
  }
  return undefined;
}

/** Matches every event, and answers those that have no entry yet. */
async function readEvents(source: Source, index: EntryIndex, { progress }: VerifyOptions): Promise<SaltedEvent[]> {
  const unknown: SaltedEvent[] = [];
  let count = 0;
  for await (const line of source.events()) {
    if (line.trim() === "") continue;
    count += 1;
    let event: SaltedEvent;
    try {
      event = readEvent(line);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new UserError(`event ${count} of the export cannot be read: ${error.message}; export it with ?salt=true.`);
    }
    if (index.match(event) < 0) unknown.push(event);
    if (count % 100_000 === 0) progress(`events: ${count} read, ${unknown.length} without an entry so far`);
  }
  return unknown;
}

const rematch = (index: EntryIndex, events: readonly SaltedEvent[]): SaltedEvent[] =>
  events.filter((event) => index.match(event) < 0);
