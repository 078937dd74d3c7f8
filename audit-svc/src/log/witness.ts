import type { Verifier } from "./note.js";
import type { Source } from "./source.js";
import { subtreesOf } from "./tile.js";
import { proveConsistency, rootOf, verifyConsistency } from "./tree.js";
import { open } from "./verify.js";

/**
 * Compares a log's newest checkpoint with an earlier one that was kept elsewhere. It reads a few tiles, however large
 * the log is.
 * @param before the earlier checkpoint; the first time there is none
 * @throws {UserError} if it could not be checked
 */
export async function witness(
  source: Source,
  verifiers: readonly Verifier[],
  before: string | undefined,
): Promise<{ whole: boolean; message: string; note: string }> {
  const note = await source.checkpoint();
  const newest = open(note, { verifiers }, "the log's checkpoint");
  const { origin, size, root } = newest;
  if (before === undefined)
    return { whole: true, message: `witnessed: ${origin} has ${size} entries; this is the first checkpoint`, note };
  const old = open(before, { verifiers }, "--since");
  const rewritten = (why: string): { whole: boolean; message: string; note: string } => ({
    whole: false,
    message: `HISTORY WAS REWRITTEN: ${origin} does not extend the checkpoint of ${old.size} entries that was witnessed before: ${why}`,
    note,
  });
  if (old.origin !== origin) return rewritten(`that one was of ${old.origin}`);
  if (size < old.size) return rewritten(`it has ${size} entries now; an older backup was restored, or its end was cut off`); // prettier-ignore
  const subtrees = subtreesOf(size, (tile) => source.tile(tile));
  // The tiles must be those of the signed root, or a proof from them says nothing.
  const proof = await proveConsistency(old.size, size, subtrees);
  if (verifyConsistency(old.size, size, proof, old.root, root))
    return { whole: true, message: `witnessed: ${origin} has ${size} entries and extends the ${old.size} of before`, note }; // prettier-ignore
  const own = await rootOf(size, subtrees);
  return rewritten(own.equals(root) ? "its entries before that are others" : "its tiles do not have the signed root");
}
