/**
 * Shows where the time of a `pulumi up` goes: runs a command with Pulumi's tracing on, and writes the first run of its
 * engine as a trace for https://ui.perfetto.dev or chrome://tracing.
 *
 * Usage: npm run trace -- FILE COMMAND [ARGUMENT...], for example `npm run trace -- build/up.json pulumi up --yes --skip-preview`.
 * Exit code: that of the command; 2 for wrong usage; 1 if there is nothing to show.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A line of the trace: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU */
export interface TraceEvent {
  name: string;
  cat: string;
  ph: "X" | "M";
  /** Start and length, µs. */
  ts: number;
  dur?: number;
  pid: number;
  tid: number;
  args?: Record<string, unknown>;
}

/** The used parts of an engine event: sdk/go/common/apitype/events.go of Pulumi. */
export interface EngineEvent {
  /** When it was read here, ms since 1970; the engine's own timestamp has only whole seconds. */
  at: number;
  resourcePreEvent?: { metadata: { op: string; urn: string } };
  resOutputsEvent?: { metadata: { op: string; urn: string } };
  resOpFailedEvent?: { metadata: { op: string; urn: string } };
}

/** A span of the CLI in OpenTelemetry's JSON. */
interface Span {
  name: string;
  startTimeUnixNano: string;
  endTimeUnixNano: string;
  attributes?: { key: string; value: { stringValue?: string } }[];
}

const CLI = 1;
const RESOURCES = 2;

/**
 * The CLI's spans that are shown, each kind in its own row; the start of a plugin is labelled with the plugin's name.
 */
const PHASES: Readonly<Record<string, { row: number; shown?: string }>> = {
  pulumi: { row: 1, shown: "CLI" },
  "pulumi-plan": { row: 2, shown: "engine" },
  "pulumirpc.LanguageRuntime/Run": { row: 3, shown: "program" },
  newPlugin: { row: 4 },
};

/** Resources in progress at the same time get separate rows; a row is reused when it is free. */
export function resourceRows(events: readonly EngineEvent[]): TraceEvent[] {
  const open = new Map<string, { at: number; row: number; op: string }>();
  const busy: boolean[] = [];
  const rows: TraceEvent[] = [];
  for (const event of events) {
    const begun = event.resourcePreEvent?.metadata;
    if (begun) {
      let row = busy.indexOf(false);
      if (row < 0) row = busy.length;
      busy[row] = true;
      open.set(begun.urn, { at: event.at, row, op: begun.op });
    }
    const ended = (event.resOutputsEvent ?? event.resOpFailedEvent)?.metadata;
    const from = ended && open.get(ended.urn);
    if (!ended || !from) continue;
    open.delete(ended.urn);
    busy[from.row] = false;
    const [type = "", name = ""] = ended.urn.split("::").slice(-2);
    const own = type.split("$").at(-1) ?? "";
    // Shown too, because several components and resources have one name.
    const kind = own.split(":").at(-1);
    rows.push({
      name: `${kind} ${name} (${from.op})`,
      cat: "resource",
      ph: "X",
      ts: from.at * 1000,
      dur: (event.at - from.at) * 1000,
      pid: RESOURCES,
      tid: from.row + 1,
      args: { type: own, ...(event.resOpFailedEvent && { failed: true }) },
    });
  }
  return rows;
}

/**
 * The CLI's phases: its start, the program's run, the start of each plugin. Resources' operations come from the events.
 */
export function cliRows(text: string): TraceEvent[] {
  const spans = text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .flatMap((line) => (JSON.parse(line) as { resourceSpans: { scopeSpans: { spans: Span[] }[] }[] }).resourceSpans)
    .flatMap(({ scopeSpans }) => scopeSpans.flatMap((scope) => scope.spans));
  return spans.flatMap(({ name, attributes = [], startTimeUnixNano, endTimeUnixNano }) => {
    const phase = PHASES[name];
    if (phase === undefined) return [];
    const plugin = attributes.find(({ key }) => key === "prefix")?.value.stringValue;
    const shown = phase.shown ?? `start ${plugin ?? "a plugin"}`;
    const start = Number(BigInt(startTimeUnixNano) / 1000n);
    const length = Number((BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1000n);
    return [
      {
        name: shown,
        cat: "cli",
        ph: "X",
        ts: start,
        dur: length,
        pid: CLI,
        tid: phase.row,
      },
    ];
  });
}

/** The engine's event log, read while it is written, so that each event gets the time of its arrival. */
class EventLog {
  readonly all: EngineEvent[] = [];
  readonly #file: number;
  readonly #buffer = Buffer.alloc(1 << 20);
  #rest = "";

  constructor(path: string) {
    this.#file = openSync(path, "r");
  }

  read(): void {
    const at = Date.now();
    for (;;) {
      const length = readSync(this.#file, this.#buffer);
      if (length === 0) return;
      const lines = (this.#rest + this.#buffer.toString("latin1", 0, length)).split("\n");
      this.#rest = lines.pop() ?? "";
      this.all.push(...lines.map((line) => ({ ...(JSON.parse(line) as EngineEvent), at })));
    }
  }
}

const named = (pid: number, name: string): TraceEvent => ({
  ...{ name: "process_name", cat: "", ph: "M", ts: 0, pid, tid: 0 },
  args: { name },
});

async function main([file, ...command]: string[]): Promise<number> {
  const [program, ...args] = command;
  if (file === undefined || program === undefined) {
    console.error("Usage: npm run trace -- FILE COMMAND [ARGUMENT...]");
    return 2;
  }
  // Before the run: a deploy whose trace cannot be written is a deploy in vain.
  mkdirSync(dirname(file), { recursive: true });
  const dir = mkdtempSync(join(tmpdir(), "trace-"));
  try {
    const [log, spans] = [join(dir, "events"), join(dir, "spans.json")];
    writeFileSync(log, "");
    const events = new EventLog(log);
    const watched = setInterval(() => events.read(), 10);
    const env = {
      ...process.env,
      // Pulumi's switches; the first one enables the event log.
      PULUMI_DEBUG_COMMANDS: "true",
      PULUMI_OPTION_EVENT_LOG: log,
      PULUMI_OPTION_OTEL_TRACES: `file://${spans}`,
    };
    const child = spawn(program, args, { env, stdio: "inherit" });
    const code = await new Promise<number>((ended, failed) => {
      child.once("error", ({ message }) =>
        failed(new Error(`${program} cannot be run: ${message}. For the sandbox's stack: eval "$(make -s env)"`)),
      );
      child.once("exit", (status) => ended(status ?? 1));
    });
    clearInterval(watched);
    events.read();
    const rows = [...(existsSync(spans) ? cliRows(readFileSync(spans, "utf8")) : []), ...resourceRows(events.all)];
    if (rows.length === 0) {
      console.error(`${program} has left no trace: it ran no pulumi`);
      return code === 0 ? 1 : code;
    }
    writeFileSync(
      file,
      JSON.stringify({ traceEvents: [named(CLI, "pulumi"), named(RESOURCES, "resources"), ...rows] }),
    );
    console.error(`${rows.length} spans in ${file}; https://ui.perfetto.dev opens it`);
    return code;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

if (require.main === module)
  main(process.argv.slice(2)).then(
    (code) => process.exit(code),
    (error: unknown) => {
      console.error(error instanceof Error ? error.message : String(error));
      process.exit(1);
    },
  );
