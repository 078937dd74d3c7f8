import { setTimeout as sleep } from "node:timers/promises";
import { isOfUser, messageOf } from "../errors";
import type { Access } from "./access";
import { failure, skipped, type Check, type Finding, type Subject } from "./check";

/** Milliseconds after which checks without an answer count as failures; so all of them together take under 15 s. */
export const PATIENCE = 12_000;

const UNKNOWN_NAME = "DNS does not know this name here: correct the setting that has it, or enter the name in DNS";

export interface Result extends Finding {
  readonly id: string;
  readonly subject: string;
  readonly title: string;
  /** Milliseconds. */
  readonly took: number;
}

/** Runs every check, all in parallel but for those that need another. @returns results in the order of the table */
export async function examine(
  subjects: readonly Subject[],
  access: Access,
  patience = PATIENCE,
): Promise<readonly Result[]> {
  const begun = new Map<string, Promise<Finding>>();
  const deadline = performance.now() + patience;
  const all = subjects.flatMap(({ checks }) => checks);
  const find = (check: Check): Promise<Finding> => {
    const already = begun.get(check.id);
    if (already !== undefined) return already;
    const finding = findingOf(check, all, find, access, { patience, deadline });
    begun.set(check.id, finding);
    return finding;
  };
  return Promise.all(
    subjects.flatMap(({ name, checks }) =>
      checks.map(async (check) => {
        const started = performance.now();
        const finding = await find(check);
        const took = Math.round(performance.now() - started);
        return { id: check.id, subject: name, title: check.title, ...finding, took };
      }),
    ),
  );
}

async function findingOf(
  check: Check,
  all: readonly Check[],
  find: (check: Check) => Promise<Finding>,
  access: Access,
  { patience, deadline }: { readonly patience: number; readonly deadline: number },
): Promise<Finding> {
  const needed = all.find(({ id }) => id === check.needs);
  if (needed !== undefined) {
    const { level, found } = await find(needed);
    if (level === "skipped") return skipped(found);
    if (level === "failure") return skipped(`not looked at: see "${needed.title}"`);
  }
  const end = new AbortController();
  const late = sleep(Math.max(0, deadline - performance.now()), failure(`no answer within ${patience / 1000} s`, "see whether it is overloaded, or a firewall drops packets"), { signal: end.signal, ref: false }); // prettier-ignore
  try {
    return await Promise.race([check.run(access), late]);
  } catch (error) {
    const said = messageOf(error).trim().split("\n").join("; ");
    const [, found, cure] = isOfUser(error) ? (/^(.*?); (.*)$/.exec(said) ?? []) : [];
    if (found && cure) return failure(found, cure);
    return failure(said, /ENOTFOUND|EAI_AGAIN/.test(said) ? UNKNOWN_NAME : "see the message; nothing else is known");
  } finally {
    end.abort();
    late.catch(() => undefined);
  }
}
