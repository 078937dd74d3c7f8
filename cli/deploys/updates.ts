import { readRecord } from "../../lib/deploy-record";
import { stateUnread } from "../state-problem";
import type { World } from "../world";

/** What `pulumi stack history --json` says of an update; the rest, as its configuration, is not read. */
interface Recorded {
  readonly version: number;
  readonly kind: string;
  readonly result: string;
  readonly startTime: string;
  readonly endTime?: string;
  readonly message?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly resourceChanges?: Readonly<Record<string, number>>;
}

/** An update of the stack: a deploy, a rollback, a destroy. */
export interface Update {
  /** Its number; undefined where the state is in PostgreSQL or files, which count none. */
  readonly version?: number;
  readonly kind: string;
  readonly result: string;
  readonly start: string;
  /** Absent while it runs, and if it was killed. */
  readonly end?: string;
  /** From its record; by hand it is the commit's subject. */
  readonly what: string;
  /** Login; undefined if nobody recorded it, as by hand. */
  readonly by?: string;
  readonly from?: string;
  readonly release?: string;
  /** The pipeline's address, or another word. */
  readonly place?: string;
  readonly commit?: string;
  /** The clone had changes that no commit has. */
  readonly dirty: boolean;
  /** How many resources were created, updated and so on, without those that stayed the same. */
  readonly changes: Readonly<Record<string, number>>;
}

/** The stack's last updates, newest first; none if there is no stack yet. */
export async function lastUpdates(world: Pick<World, "pulumi" | "stack">, count: number): Promise<Update[]> {
  const { code, stdout, all } = await world.pulumi(["stack", "history", "--json", "--page-size", String(count)]);
  if (code !== 0) throw stateUnread(`the history of stack ${world.stack}`, all);
  return (JSON.parse(stdout) as Recorded[]).map(readUpdate);
}

export function readUpdate(recorded: Recorded): Update {
  const { version, kind, result, startTime: start, endTime: end, message = "", environment = {} } = recorded;
  const changes = Object.entries(recorded.resourceChanges ?? {}).filter(([operation]) => operation !== "same");
  const record = readRecord(message);
  const { "git.head": commit, "git.dirty": dirty } = environment;
  return {
    ...(version > 0 ? { version } : {}),
    ...{ kind, result, start, ...(end === undefined ? {} : { end }) },
    ...(record === undefined
      ? { what: message.split("\n")[0] || "no message" } // eslint-disable-line @typescript-eslint/prefer-nullish-coalescing -- an empty one says nothing either
      : { what: record.what, by: record.by, from: record.from, release: record.to, place: record.place }),
    ...(commit === undefined ? {} : { commit }),
    ...{ dirty: dirty === "true", changes: Object.fromEntries(changes) },
  };
}
