import type { SlotRelease } from "./release-state";

/**
 * The record of a deploy: what, by whom, from which release to which, and where it ran. It is the message of the stack's
 * update, so the state's history keeps it with the time and the result.
 */
export interface DeployRecord {
  /** For example `deploy v1.2.0`, `rollback from v1.2.0`. */
  readonly what: string;
  /** Login of the person. */
  readonly by: string;
  /** Release that was active; absent at the first deploy. */
  readonly from?: string;
  readonly to: string;
  /** How the image's digest begins. */
  readonly digest: string;
  /** The pipeline's address, or another word for the place. */
  readonly place: string;
}

/** Characters of a digest that the record keeps, with its algorithm. */
const DIGEST = 19;

export function writeRecord(
  { what, by, from, place }: Omit<DeployRecord, "to" | "digest">,
  { release, image }: Pick<SlotRelease, "release" | "image">,
): string {
  const digest = image.slice(image.indexOf("@") + 1).slice(0, DIGEST);
  return `${what} by ${by}: release ${from ?? "none"} -> ${release} (${digest}); ${place}`;
}

/** @returns undefined for another message, as of an `up` by hand, for which the CLI takes the commit's subject */
export function readRecord(message: string): DeployRecord | undefined {
  const found = /^(.+?) by (\S+): release (\S+) -> (\S+) \((\S+)\); (.+)$/.exec(message.split("\n")[0] ?? "");
  if (found === null) return undefined;
  const [, what = "", by = "", from, to = "", digest = "", place = ""] = found;
  return { what, by, ...(from === "none" ? {} : { from }), to, digest, place };
}
