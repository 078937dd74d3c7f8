import { setTimeout as sleep } from "node:timers/promises";
import type { Context } from "../command";
import { EXIT } from "../errors";
import type { Output } from "../output";
import { stamp } from "../time";
import { EventReader, PAGE, type AuditEvent, type Query } from "./reader";

export interface EventsOptions {
  readonly action: "tail" | "find";
  readonly follow: boolean;
  readonly number: number;
  readonly application: string | undefined;
  readonly actor: string | undefined;
  readonly what: string | undefined;
  readonly outcome: string | undefined;
  readonly from: string | undefined;
  readonly to: string | undefined;
}

/** Milliseconds between two looks for what has come. Each is a read, which the service logs. */
const PAUSE = 2_000;

/** The service's own application: with audit:recordReads each read is an event of it, and so is each look of `tail`. */
const OWN = "audit-svc";

export async function showEvents(options: EventsOptions, context: Context): Promise<number> {
  const { output, interrupts } = context;
  const { action, follow, number, application, actor, what, outcome, from, to } = options;
  const world = await context.world({ settings: "file" });
  const reader = new EventReader(world.values.serviceUrl, await world.token("reader"));
  const query: Query = { application, actor, action: what, outcome, from, to };
  const show = (event: AuditEvent): void => output.answer(event, describe(event, output.style));
  const wanted = (event: AuditEvent): boolean => application !== undefined || event.application !== OWN;
  if (action === "find") {
    let found = 0;
    for await (const event of reader.newest(query, number)) {
      show(event);
      found += 1;
    }
    if (found === 0) output.note(NONE);
    if (found === number) output.note(`There may be more: -n ${number * 10}, or a narrower --from and --to.`);
    return EXIT.ok;
  }
  // What comes is what a whole page did not have before.
  const page = follow ? (await reader.page({ ...query, limit: PAGE })).events : [];
  const newest = page.filter(wanted).slice(0, number);
  if (!follow) for await (const event of reader.newest(query, number, wanted)) newest.push(event);
  for (const event of newest.reverse()) show(event);
  if (newest.length === 0) output.note(NONE);
  if (!follow) return EXIT.ok;
  const known = new Set(page.map(keyOf));
  for (;;) {
    await sleep(PAUSE, undefined, { signal: interrupts.signal }).catch(() => undefined);
    if (interrupts.signal.aborted) return EXIT.interrupted;
    const { events } = await reader.page({ ...query, limit: PAGE });
    const fresh = events.filter((each) => !known.has(keyOf(each)));
    if (fresh.length === PAGE)
      output.note(`More events came than the ${PAGE} of one look; \`audit events find\` has those left out.`);
    for (const event of fresh.reverse()) {
      known.add(keyOf(event));
      if (wanted(event)) show(event);
    }
  }
}

const NONE = "There is no such event.";

const keyOf = ({ application, id }: AuditEvent): string => `${application} ${id}`;

export function describe(event: AuditEvent, { dim, bold, green, yellow, red }: Output["style"]): string {
  const { occurredAt, application, actor, action, resource, outcome, id, data } = event;
  const paint = { success: green, denied: yellow }[outcome] ?? red;
  const more = data === undefined || Object.keys(data).length === 0 ? "" : ` ${dim(JSON.stringify(data))}`;
  const words = [actor, action, resource].map(asWord).join(" ");
  return `${dim(stamp(occurredAt))} ${bold(application)} ${words} ${paint(outcome)} ${dim(id)}${more}`;
}

/** In quotes unless it is one word, so that columns can be told apart and no client writes to the terminal. */
const asWord = (text: string): string => (/^[^\s"\p{C}]+$/u.test(text) ? text : JSON.stringify(text));
