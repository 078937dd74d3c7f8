import { readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { UserError, reasonOf } from "../errors.js";
import { type Verifier, parseVkey } from "./note.js";
import { printable } from "./printable.js";
import { proved } from "./proved.js";
import { EVENTS, Saved, Saving, Service, type Source } from "./source.js";
import { type Verdict, verify } from "./verify.js";
import { witness } from "./witness.js";

const VERIFY_USAGE = `verify --url URL --token-file FILE --key VKEY [--key VKEY]… [--save DIR] [options]
verify --log DIR [--export FILE] --key VKEY [--key VKEY]… [options]
Reads every event and every entry of the log, and says whether they are whole.
  --key VKEY            the log's public key; after a rotation the former one, too
  --since FILE          an earlier checkpoint, which the log must extend
  --retention-days N    months that are wholly older may be missing; without: none may
  --tolerance SECONDS   by which times of arrival may contradict the order of arrival; default 300
  --save DIR            keep what was read, so that it can be verified again without the service
  --log DIR             what --save has kept; --export FILE: another export of the events with ?salt=true
  --json                the verdict as JSON on stdout
Exit codes: 0 whole, 1 tampered with, 2 could not be checked. After 1: docs/runbook.md, "A log that was rewritten".
Two more commands, each with --help:
  witness               keep the newest checkpoint, once the log extends the one before
  proof                 check the proof of one event, without the service
`;
const PROOF_USAGE = `proof --proof FILE --event FILE --key VKEY [--key VKEY]…
Checks, without the service, that an event was in the log.
  --proof FILE          the answer of GET /v1/events/{id}/proof
  --event FILE          the event as the service answers it, alone or among others, or a line of an export
Exit codes: 0 proved, 1 the event is not the one that was proved, 2 could not be checked.
`;
const WITNESS_USAGE = `witness --url URL --token-file FILE --key VKEY [--key VKEY]… --since FILE
Fetches the newest checkpoint, verifies that it extends the one in FILE, writes it there, and reports it to the service.
If there is no FILE yet, it is made. Exit codes: 0 extended, 1 history was rewritten, 2 could not be checked.
`;

/** How many findings are printed. */
const PRINTED = 100;

const COMMON = {
  url: { type: "string" },
  "token-file": { type: "string" },
  key: { type: "string", multiple: true, default: [] as string[] },
  since: { type: "string" },
  help: { type: "boolean", default: false },
} as const;

/** `verify`. Resolves to the exit code. */
export async function verifyCommand(args: readonly string[]): Promise<number> {
  const values = parse("verify", () =>
    parseArgs({
      args: [...args],
      options: {
        ...COMMON,
        log: { type: "string" },
        export: { type: "string" },
        save: { type: "string" },
        "retention-days": { type: "string" },
        tolerance: { type: "string", default: "300" },
        json: { type: "boolean", default: false },
      },
    }),
  );
  if (values.help) return print(VERIFY_USAGE);
  const verifiers = keysOf(values.key);
  const number = (name: "retention-days" | "tolerance"): number | undefined => {
    const text = values[name];
    if (text !== undefined && !/^\d{1,9}$/.test(text)) throw new UserError(`--${name}: must be a whole number.`);
    return text === undefined ? undefined : Number(text);
  };
  const verdict = await verify(await sourceOf(values), {
    verifiers,
    since: values.since === undefined ? undefined : await read("--since", values.since),
    retentionDays: number("retention-days"),
    tolerance: number("tolerance") ?? 300,
    progress: (line) => void process.stderr.write(`${line}\n`),
  });
  print(values.json ? `${JSON.stringify(verdict, null, 2)}\n` : inWords(verdict));
  return verdict.whole ? 0 : 1;
}

/** `witness`. Resolves to the exit code. */
export async function witnessCommand(args: readonly string[]): Promise<number> {
  const values = parse("witness", () => parseArgs({ args: [...args], options: COMMON }));
  if (values.help) return print(WITNESS_USAGE);
  const { since } = values;
  if (since === undefined) throw new UserError("--since: name the file that keeps the checkpoint.");
  const verifiers = keysOf(values.key);
  const service = await serviceOf(values);
  const before = await readFile(since, "utf8").catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw new UserError(`--since: cannot read ${since}: ${reasonOf(error)}.`);
  });
  const { whole, message, note } = await witness(service, verifiers, before);
  if (whole) {
    // A file that is written halfway would be a witness that nobody can use.
    await writeFile(`${since}.next`, note);
    await rename(`${since}.next`, since);
    await service.witnessed(note);
  }
  print(`${message}\n`);
  return whole ? 0 : 1;
}

/** `proof`. Resolves to the exit code. */
export async function proofCommand(args: readonly string[]): Promise<number> {
  const { key, help } = COMMON;
  const options = { key, help, proof: { type: "string" }, event: { type: "string" } } as const;
  const values = parse("proof", () => parseArgs({ args: [...args], options }));
  if (values.help) return print(PROOF_USAGE);
  const { proof, event } = values;
  if (proof === undefined) throw new UserError("--proof: name the file with the answer of GET /v1/events/{id}/proof.");
  if (event === undefined) throw new UserError("--event: name the file with the event as the service answers it.");
  const verifiers = keysOf(values.key);
  const { whole, message } = proved(await read("--proof", proof), await read("--event", event), verifiers);
  print(`${message}\n`);
  return whole ? 0 : 1;
}

function inWords(verdict: Verdict): string {
  const { whole, origin, size, root, events, dropped, uncovered, findings, count } = verdict;
  const lines = findings.slice(0, PRINTED).map(({ message }) => `tampered: ${message}`);
  if (count > PRINTED) lines.push(`… and ${count - PRINTED} more; --json lists up to 1000`);
  lines.push(
    `${whole ? "whole" : `TAMPERED WITH (${count} ${count === 1 ? "finding" : "findings"})`}: ${origin}, ${size} entries, root ${root}: ${events} events verified, ${dropped} dropped by retention, ${uncovered} not under a checkpoint yet`,
  );
  return `${lines.join("\n")}\n`;
}

interface Where {
  readonly url?: string | undefined;
  readonly "token-file"?: string | undefined;
}

async function sourceOf(
  values: Where & { readonly log?: string | undefined; readonly export?: string | undefined; readonly save?: string | undefined },
): Promise<Source> {
  if ((values.url === undefined) === (values.log === undefined))
    throw new UserError("give either --url, to ask the service, or --log, to verify what was saved; see verify --help.");
  if (values.log !== undefined) return new Saved(values.log, values.export ?? join(values.log, EVENTS));
  if (values.export !== undefined)
    throw new UserError("--export: needs --log, the directory with the log that belongs to it; verify --save makes one.");
  const service = await serviceOf(values);
  return values.save === undefined ? service : new Saving(service, values.save);
} // prettier-ignore

async function serviceOf(values: Where): Promise<Service> {
  const { url = "", "token-file": file } = values;
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new UserError("--url: must be the service's address, like https://audit.example.com.");
  if (file === undefined)
    throw new UserError("--token-file: name the file with a reader's token that is not limited to an application.");
  return new Service(new URL(url), (await read("--token-file", file)).trim());
}

function keysOf(vkeys: readonly string[]): Verifier[] {
  if (vkeys.length === 0) throw new UserError("--key: give the log's public key, name+id+key.");
  return vkeys.map((vkey) => {
    const verifier = parseVkey(vkey);
    if (verifier !== undefined) return verifier;
    throw new UserError(
      `--key: "${vkey}" is not the public key of a log: name+id+key, of the type Ed25519, without quotes and brackets.`,
    );
  });
}

async function read(option: string, file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: unknown) => {
    throw new UserError(`${option}: cannot read ${file}: ${reasonOf(error)}.`);
  });
}

function parse<T>(command: string, work: () => { values: T }): T {
  try {
    return work().values;
  } catch (error) {
    throw new UserError(`${command}: ${reasonOf(error)}; see ${command} --help.`);
  }
}

function print(text: string): number {
  process.stdout.write(printable(text));
  return 0;
}
