import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import type { State } from "./model.js";

const EMPTY: State = {
  nextId: 1,
  users: [],
  serviceAccounts: [],
  tokens: [],
  sessions: [],
  folders: [],
  dashboards: [],
  dataSources: [],
  annotations: [],
  ruleGroups: [],
  alertRules: [],
};

/**
 * The whole state in memory and in one file, written whole after every change and moved into place, so that a kill at any
 * moment leaves either the old file or the new one. Plenty for a sandbox's handful of dashboards; not meant for more.
 */
export class Store {
  private constructor(
    private readonly file: string,
    readonly state: State,
    /** Whether the data directory held nothing yet. */
    readonly isNew: boolean,
  ) {}

  /** Opens `dataDir`, making it if it is missing. Throws when the file there is not readable as JSON: it is never overwritten then. */
  static open(dataDir: string): Store {
    mkdirSync(dataDir, { recursive: true });
    const file = join(dataDir, "grafana-preview.json");
    if (!existsSync(file)) return new Store(file, structuredClone(EMPTY), true);
    let kept: Partial<State>;
    try {
      kept = JSON.parse(readFileSync(file, "utf8")) as Partial<State>;
    } catch (error) {
      throw new Error(
        `${file} is not readable (${(error as Error).message}); move it away to start with an empty store.`,
        {
          cause: error,
        },
      );
    }
    return new Store(file, { ...structuredClone(EMPTY), ...kept }, false);
  }

  nextId(): number {
    return this.state.nextId++;
  }

  /** Writes the state out; returns once it is on the disk, so that what was answered 200 survives a crash. */
  save(): void {
    const temporary = `${this.file}.new`;
    const descriptor = openSync(temporary, "w", 0o600);
    try {
      writeSync(descriptor, JSON.stringify(this.state));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(temporary, this.file);
  }
}

const UID_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789";

/** A new uid of 14 characters that begins with a letter, as Grafana's own do. */
export function newUid(): string {
  let uid = UID_ALPHABET.charAt(randomInt(26));
  while (uid.length < 14) uid += UID_ALPHABET.charAt(randomInt(UID_ALPHABET.length));
  return uid;
}
