import { UserError } from "../errors.js";
import { type SaltedEvent, readEvent } from "./entry.js";
import { itemsOf, membersOf } from "./jsonb-text.js";
import type { Verifier } from "./note.js";
import { parseProof } from "./proof.js";
import { leafHash, verifyInclusion } from "./tree.js";
import { open } from "./verify.js";

/** Bytes of a salt, which follows the entry's first byte in a proof. */
const SALT = 16;

/**
 * Checks offline that an event was in the log: that the proof leads from its values to the root that was signed.
 * @param events lines of an export, or the answer of a list; with or without salts
 * @throws {UserError} if it could not be checked
 */
export function proved(
  text: string,
  events: string,
  verifiers: readonly Verifier[],
): { whole: boolean; message: string } {
  const proof = parseProof(text);
  if (proof?.extra.length !== 1 + SALT)
    throw new UserError("--proof: this is no proof; give the whole answer of GET /v1/events/{id}/proof.");
  const { origin, size, root } = open(proof.checkpoint, { verifiers }, "the proof's checkpoint");
  const lines = eventsIn(events);
  for (const line of lines) {
    const event = read(line, proof.extra.toString("hex", 1));
    if (!verifyInclusion(leafHash(entryOf(event, proof.extra)), proof.index, size, [...proof.hashes], root)) continue;
    const message = `proved: the event ${event.id} of ${event.application} is entry ${proof.index} of ${origin}, under the checkpoint of ${size} entries`;
    return { whole: true, message };
  }
  const which = lines.length === 1 ? "this event is not" : `none of these ${lines.length} events is`;
  const message = `NOT PROVED: ${which} entry ${proof.index} of ${origin}: it was changed, or the proof is another event's`;
  return { whole: false, message };
}

function eventsIn(text: string): string[] {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  if (lines.length === 0) throw new UserError("--event: the file is empty.");
  try {
    const events = membersOf(text).get("events");
    return events === undefined ? [text] : itemsOf(events);
  } catch {
    return lines;
  }
}

function entryOf({ month, commitment }: SaltedEvent, extra: Buffer): Buffer {
  const head = Buffer.alloc(3);
  head.writeUInt8(extra.readUInt8());
  head.writeUInt16BE(month, 1);
  return Buffer.concat([head, commitment]);
}

function read(line: string, salt: string): SaltedEvent {
  let problem: string | undefined;
  try {
    const event = readEvent(line, salt);
    if (event.problem === undefined) return event;
    problem = event.problem;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    problem = error.message;
  }
  throw new UserError(
    `--event: ${problem}; give the event as the service answers it, or a line of an export, unchanged.`,
  );
}
