import { readFile } from "node:fs/promises";
import { Agent } from "node:http";
import { parseArgs } from "node:util";
import { UserError } from "./errors.js";
import { readExport, sendEvents } from "./client.js";
import { randomEvent } from "./random-event.js";

const USAGE = `generate: sends realistic audit events
  --url URL                  of the service or of the edge before it (default AUDIT_URL, else http://127.0.0.1:8080)
  --token-file FILE          a writer's token, or lines "application token" for tokens of one application each
  --applications N           how many applications to play (default 3; ignored when the file names them)
  --rate N                   events per second altogether (default 20; 0 = as many as it takes)
  --duration SECONDS         (default 60)
  --batch N                  events per request (default 1)
  --connections N            requests under way at once, at most (default 32)
  --verify                   read everything back and fail when an acknowledged event is missing or there twice
  --reader-token-file FILE   a reader's token, for --verify
  --quiet                    no progress
`;

const APPLICATIONS = ["billing", "identity", "orders", "warehouse", "support", "reports", "gateway", "payroll"];

interface Options {
  readonly url: URL;
  readonly tokens: ReadonlyMap<string, string>;
  readonly readerToken?: string;
  readonly rate: number;
  readonly seconds: number;
  readonly batch: number;
  readonly connections: number;
  readonly quiet: boolean;
}

/** What `generate` did. Times in milliseconds. */
export interface Summary {
  sent: number;
  acked: number;
  rejected: number;
  retried: number;
  p50: number;
  p99: number;
  missing?: number;
  twice?: number;
}

/**
 * `generate`. Resolves to the exit code: 0, or 1 if an event was rejected, or acknowledged but not stored exactly once.
 */
export async function generateCommand(args: readonly string[]): Promise<number> {
  const options = await readOptions(args);
  if (options === undefined) {
    process.stdout.write(USAGE);
    return 0;
  }
  const { summary, failed } = await generate(options);
  process.stdout.write(`${JSON.stringify(summary)}\n`);
  return failed ? 1 : 0;
}

async function readOptions(args: readonly string[]): Promise<Options | undefined> {
  let values;
  try {
    ({ values } = parseArgs({
      args: [...args],
      options: {
        url: { type: "string" },
        "token-file": { type: "string" },
        applications: { type: "string", default: "3" },
        rate: { type: "string", default: "20" },
        duration: { type: "string", default: "60" },
        batch: { type: "string", default: "1" },
        connections: { type: "string", default: "32" },
        verify: { type: "boolean", default: false },
        "reader-token-file": { type: "string" },
        quiet: { type: "boolean", default: false },
        help: { type: "boolean", default: false },
      },
    }));
  } catch (error) {
    throw new UserError(`generate: ${(error as Error).message}`);
  }
  if (values.help) return undefined;
  const number = (
    name: "applications" | "rate" | "duration" | "batch" | "connections",
    min: number,
    max: number,
  ): number => {
    const value = Number(values[name]);
    if (!(value >= min && value <= max)) throw new UserError(`generate: --${name} must be between ${min} and ${max}.`);
    return value;
  };
  const url = values.url ?? process.env.AUDIT_URL ?? "http://127.0.0.1:8080";
  if (!URL.canParse(url)) throw new UserError(`generate: --url: "${url}" is not a URL.`);
  const tokenFile = values["token-file"];
  if (tokenFile === undefined) throw new UserError("generate: --token-file is needed: a file with a writer's token.");
  const readerFile = values["reader-token-file"];
  if (values.verify && readerFile === undefined) throw new UserError("generate: --verify needs --reader-token-file.");
  return {
    url: new URL(url),
    tokens: parseTokens(await readText(tokenFile), number("applications", 1, 1000)),
    ...(values.verify && readerFile !== undefined ? { readerToken: (await readText(readerFile)).trim() } : {}),
    rate: number("rate", 0, 100_000),
    seconds: number("duration", 0.1, 86_400),
    batch: Math.floor(number("batch", 1, 10_000)),
    connections: Math.floor(number("connections", 1, 1000)),
    quiet: values.quiet,
  };
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new UserError(`generate: cannot read ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown error"}.`);
  }
}

function parseTokens(text: string, applications: number): Map<string, string> {
  const lines = text
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([first]) => first !== undefined && first !== "");
  const [only] = lines;
  if (only === undefined) throw new UserError("generate: the token file is empty.");
  if (lines.length === 1 && only.length === 1) {
    const names = Array.from({ length: applications }, (_, i) => APPLICATIONS[i] ?? `application-${i + 1}`);
    return new Map(names.map((name) => [name, only[0] ?? ""]));
  }
  return new Map(
    lines.map(([application, token]) => {
      if (application === undefined || token === undefined)
        throw new UserError('generate: each line of the token file must be "application token".');
      return [application, token];
    }),
  );
}

/**
 * Sends events according to the options and, with a reader's token, checks that each acknowledged one is stored exactly
 * once.
 */
export async function generate(options: Options): Promise<{ summary: Summary; failed: boolean }> {
  const agent = new Agent({ keepAlive: true, maxSockets: options.connections });
  const applications = [...options.tokens];
  const acked = new Set<string>();
  const times: number[] = [];
  const summary: Summary = { sent: 0, acked: 0, rejected: 0, retried: 0, p50: 0, p99: 0 };
  const from = new Date(Date.now() - 1000).toISOString();
  const started = performance.now();
  const elapsed = (): number => (performance.now() - started) / 1000;
  const progress = setInterval(() => {
    if (!options.quiet)
      process.stderr.write(
        `${elapsed().toFixed(0)} s: sent ${summary.sent}, acked ${summary.acked}, rejected ${summary.rejected}\n`,
      );
  }, 1000);

  const one = async (): Promise<void> => {
    const [application, token] = applications[Math.floor(Math.random() * applications.length)] ?? ["", ""];
    const events = Array.from({ length: options.batch }, () => randomEvent(application));
    summary.sent += events.length;
    const result = await sendEvents({ url: options.url, token, agent, events });
    summary.retried += result.retries;
    if (result.status === 201) {
      summary.acked += events.length;
      for (const event of events) acked.add(event.id);
      times.push(result.ms);
    } else {
      summary.rejected += events.length;
      if (!options.quiet && summary.rejected === events.length)
        process.stderr.write(`first rejection: ${result.status} ${result.reason}\n`);
    }
  };

  // Each worker waits for its turn: a slow service lowers the rate, but memory does not grow.
  let turn = 0;
  const turns = options.rate > 0 ? Math.max(1, Math.round((options.rate * options.seconds) / options.batch)) : Infinity;
  const worker = async (): Promise<void> => {
    while (turn < turns) {
      const due = options.rate > 0 ? (turn++ * options.batch) / options.rate : elapsed();
      if (due >= options.seconds || elapsed() > options.seconds + 30) return;
      const wait = due - elapsed();
      if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait * 1000));
      await one();
    }
  };
  await Promise.all(Array.from({ length: options.connections }, worker));
  clearInterval(progress);

  times.sort((a, b) => a - b);
  const quantile = (q: number): number =>
    Math.round((times[Math.min(times.length - 1, Math.floor(times.length * q))] ?? 0) * 10) / 10;
  summary.p50 = quantile(0.5);
  summary.p99 = quantile(0.99);
  let failed = summary.rejected > 0 || summary.acked === 0;
  if (options.readerToken !== undefined) {
    const found = new Map<string, number>();
    await readExport({ url: options.url, token: options.readerToken, agent, query: { from } }, (event) => {
      if (acked.has(event.id)) found.set(event.id, (found.get(event.id) ?? 0) + 1);
    });
    summary.missing = acked.size - found.size;
    summary.twice = [...found.values()].filter((count) => count > 1).length;
    failed ||= summary.missing > 0 || summary.twice > 0;
  }
  agent.destroy();
  return { summary, failed };
}
