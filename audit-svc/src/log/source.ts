import { createReadStream, createWriteStream, mkdirSync, type WriteStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { once } from "node:events";
import { UserError, reasonOf } from "../errors.js";
import { linesOf } from "./lines.js";
import { type TileName, pathOf } from "./tile.js";

/** Files of a log that was saved, beside its tiles. */
export const [CHECKPOINT, FIRST_CHECKPOINT, EVENTS] = ["checkpoint", "checkpoint.first", "events.ndjson"];

/** Where a log and its events come from. */
export interface Source {
  /** The newest checkpoint. */
  checkpoint(): Promise<string>;
  /** A tile or a bundle, as C2SP's tlog-tiles has it. */
  tile(name: TileName): Promise<Buffer>;
  /** The events as lines of an export with salts. */
  events(): AsyncIterable<string>;
  /** Whether the checkpoint may grow if one waits. */
  readonly live: boolean;
}

/** A service, asked with a reader's token. */
export class Service implements Source {
  readonly live = true;

  constructor(
    private readonly url: URL,
    private readonly token: string,
  ) {}

  async checkpoint(): Promise<string> {
    return (await this.#get("/log/checkpoint")).text();
  }

  async tile(name: TileName): Promise<Buffer> {
    return Buffer.from(await (await this.#get(`/log/tile/${pathOf(name)}`)).arrayBuffer());
  }

  /** An export that breaks off is continued at the moment of its last event; what came of that moment is not repeated. */
  async *events(): AsyncGenerator<string> {
    let moment: string | undefined;
    let came = new Set<string>();
    for (let tries = 0; ; tries++) {
      const query = new URLSearchParams({ salt: "true", ...(moment === undefined ? {} : { to: justAfter(moment) }) });
      const { body } = await this.#get(`/v1/events/export?${query.toString()}`);
      const before = new Set(came);
      try {
        if (body === null) return;
        for await (const line of linesOf(body)) {
          if (before.delete(line)) continue;
          const [, time] = /"occurredAt":"(\d{4}-[^"]+)"/.exec(line) ?? [];
          if (time !== moment) came = new Set();
          came.add(line);
          [moment, tries] = [time ?? moment, 0];
          yield line;
        }
        return;
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (tries >= 5) throw new UserError(`--url: the export broke off: ${reasonOf(error)}.`);
        await new Promise((resolve) => setTimeout(resolve, 1000 * 2 ** tries));
      }
    }
  }

  /** Tells the service that a checkpoint was verified and is kept elsewhere. */
  async witnessed(note: string): Promise<void> {
    await this.#get("/log/witnessed", { method: "POST", body: note, headers: { "content-type": "text/plain" } });
  }

  async #get(
    path: string,
    init: { method?: string; body?: string; headers?: Record<string, string> } = {},
  ): Promise<Response> {
    // prettier-ignore
    for (let tries = 0; ; tries++) {
      let problem: string;
      try {
        const headers = { ...init.headers, authorization: `Bearer ${this.token}` };
        const answer = await fetch(new URL(this.url.pathname.replace(/\/$/, "") + path, this.url), { ...init, headers });
        if (answer.ok) return answer;
        problem = `${answer.status} ${(await answer.text()).slice(0, 300).replaceAll(/\s+/g, " ")}`;
        if (answer.status === 404)
          throw new UserError(
            `--url: ${path} was answered 404: the service keeps no log (audit:log is off), or this is not its address.`,
          );
        // 429: the edge limits each client, and while it gets ready for a reload it slows none down but refuses.
        if (answer.status < 500 && answer.status !== 429) throw new UserError(`--url: ${path} was answered ${problem}`);
      } catch (error) {
        if (error instanceof UserError) throw error;
        problem = error instanceof Error && error.cause !== undefined ? reasonOf(error.cause) : reasonOf(error);
      }
      if (tries >= 5) throw new UserError(`--url: ${path}: ${problem}; is the service there, and its log switched on?`);
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** tries));
    }
  }
}

/** A microsecond later. */
function justAfter(time: string): string {
  const micro = BigInt(Date.parse(`${time.slice(0, 23)}Z`)) * 1000n + BigInt(time.slice(23, 26)) + 1n;
  return `${new Date(Number(micro / 1000n)).toISOString().slice(0, 23)}${String(micro % 1000n).padStart(3, "0")}Z`;
}

/** A log that {@link Saving} has saved, and an export. */
export class Saved implements Source {
  readonly live = false;
  #asked = false;

  constructor(
    private readonly directory: string,
    private readonly exported: string,
  ) {}

  /** What must be in the export first, then what may be. */
  async checkpoint(): Promise<string> {
    const file = this.#asked ? CHECKPOINT : FIRST_CHECKPOINT;
    this.#asked = true;
    return (await this.#read(file)).toString();
  }

  tile(name: TileName): Promise<Buffer> {
    return this.#read(`tile/${pathOf(name)}`);
  }

  async *events(): AsyncGenerator<string> {
    try {
      yield* linesOf(createReadStream(this.exported) as AsyncIterable<Buffer>);
    } catch (error) {
      if (error instanceof UserError) throw error;
      throw new UserError(`--export: cannot read ${this.exported}: ${reasonOf(error)}.`);
    }
  }

  async #read(file: string): Promise<Buffer> {
    try {
      return await readFile(join(this.directory, file));
    } catch (error) {
      throw new UserError(`--log: ${reasonOf(error)}; give the directory that verify --save has written.`);
    }
  }
}

/** Writes everything that is read from a source to a directory, for {@link Saved}. */
export class Saving implements Source {
  #first = true;

  constructor(
    private readonly from: Source,
    private readonly directory: string,
  ) {}

  get live(): boolean {
    return this.from.live;
  }

  async checkpoint(): Promise<string> {
    const note = await this.from.checkpoint();
    if (this.#first) await this.#write(FIRST_CHECKPOINT, note);
    this.#first = false;
    await this.#write(CHECKPOINT, note);
    return note;
  }

  async tile(name: TileName): Promise<Buffer> {
    const bytes = await this.from.tile(name);
    await this.#write(`tile/${pathOf(name)}`, bytes);
    return bytes;
  }

  async *events(): AsyncGenerator<string> {
    mkdirSync(this.directory, { recursive: true });
    const file: WriteStream = createWriteStream(join(this.directory, EVENTS));
    for await (const line of this.from.events()) {
      if (!file.write(`${line}\n`)) await once(file, "drain");
      yield line;
    }
    file.end();
    await once(file, "finish");
  }

  async #write(file: string, content: string | Buffer): Promise<void> {
    const path = join(this.directory, file);
    mkdirSync(dirname(path), { recursive: true });
    await writeFile(path, content);
  }
}
