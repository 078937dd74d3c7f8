import { parsed } from "../json";
import type { Output } from "../output";

/** One line of a log. */
export interface LogRecord {
  /** When Docker or the node got it, to the nanosecond: what lines are merged by. */
  readonly time: string;
  readonly container: string;
  /** Of a replica. */
  readonly release?: string;
  /** What the line says: an object if it is JSON. */
  readonly entry: Readonly<Record<string, unknown>> | string;
}

/** @param releases of the replicas, by container @returns undefined for what logs.sh has not written */
export function readLine(line: string, releases: ReadonlyMap<string, string>): LogRecord | undefined {
  const [, container = "", time = "", text = ""] = /^(\S+) (\d{4}-\S+?(?:Z|[+-]\d\d:\d\d)) ?(.*)$/.exec(line) ?? [];
  if (container === "") return undefined;
  const release = releases.get(container);
  return { time: inUtc(time), container, ...(release === undefined ? {} : { release }), entry: entryIn(text) };
}

/** A node of a cluster writes its own zone's time. */
function inUtc(time: string): string {
  const [, whole = "", fraction = "", zone = "Z"] = /^(.{19})(\.\d+)?(.*)$/.exec(time) ?? [];
  return zone === "Z" ? time : `${new Date(`${whole}${zone}`).toISOString().slice(0, 19)}${fraction}Z`;
}

const entryIn = (text: string): LogRecord["entry"] =>
  text.startsWith("{") ? (parsed(text) as LogRecord["entry"]) : text;

/** Whether a line belongs to a request: the service calls its id `reqId`, Nginx `id`, and an answer `requestId`. */
export function isOf({ entry }: LogRecord, request: string): boolean {
  if (typeof entry === "string") return entry.includes(request);
  return [entry.reqId, entry.id, entry.requestId].includes(request);
}

/** As people read it: time, container, release, level and message, then what else there is. */
export function describe({ time, container, release, entry }: LogRecord, style: Output["style"]): string {
  const head = `${style.dim(time.slice(11, 23))} ${style.bold(container.replace(/^audit-(svc-)?/, ""))}${release ? ` ${style.dim(release)}` : ""}`;
  if (typeof entry === "string") return `${head} ${entry}`;
  // Vault's agent writes its own with an @ before them.
  const { level = entry["@level"], msg = entry["@message"] } = entry;
  const paint = { warn: style.yellow, error: style.red, fatal: style.red }[String(level)] ?? ((text: string) => text);
  const message = [level, msg].filter((word) => word !== undefined).map(String).join(" "); // prettier-ignore
  const fields = Object.entries(entry)
    .filter(([name]) => !["level", "msg", "time", "@level", "@message", "@timestamp"].includes(name))
    .map(([name, value]) => `${style.dim(`${name}=`)}${shown(value)}`);
  return [head, ...(message === "" ? [] : [paint(message)]), ...fields].join(" ");
}

const shown = (value: unknown): string =>
  typeof value === "string" && /^[^\s"=]+$/.test(value) ? value : JSON.stringify(value);
