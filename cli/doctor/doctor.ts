import { setTimeout as sleep } from "node:timers/promises";
import { CommandError, EXIT } from "../errors";
import type { World } from "../world";
import type { Check, Subject } from "./check";
import { examine, type Result } from "./examine";
import { lookAt } from "./look";
import { SUBJECTS } from "./subjects";

/** @throws CommandError if `only` names no check */
export async function runDoctor(
  world: World,
  { settings, only }: { settings?: string; only?: readonly string[] },
): Promise<readonly Result[]> {
  const access = lookAt(world, settings);
  try {
    return await examine(chosen(SUBJECTS[world.values.platform], only), access);
  } finally {
    // A database that does not answer would keep it.
    await Promise.race([access.close(), sleep(1_000, undefined, { ref: false })]);
  }
}

/** The checks whose names begin so, and those that they need. */
export function chosen(subjects: readonly Subject[], only: readonly string[] = []): readonly Subject[] {
  if (only.length === 0) return subjects;
  const all = subjects.flatMap(({ checks }) => checks);
  const unknown = only.find((name) => !all.some(({ id }) => id.startsWith(name)));
  if (unknown !== undefined) {
    const groups = [...new Set(all.map(({ id }) => id.split("-")[0] ?? ""))];
    throw new CommandError(
      `--only ${unknown} is the name of no check; they begin with ${groups.join(", ")}`,
      EXIT.usage,
    );
  }
  const wanted = new Set<string>();
  const want = (check: Check | undefined): void => {
    if (check === undefined) return;
    wanted.add(check.id);
    want(all.find(({ id }) => id === check.needs));
  };
  all.filter(({ id }) => only.some((name) => id.startsWith(name))).forEach(want);
  return subjects
    .map(({ name, checks }) => ({ name, checks: checks.filter(({ id }) => wanted.has(id)) }))
    .filter(({ checks }) => checks.length > 0);
}
