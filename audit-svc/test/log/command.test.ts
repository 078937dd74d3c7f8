import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { copyFileSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Verdict } from "../../src/log/verify.js";
import { type TestDatabase, createDatabase } from "../support/database.js";
import { event, post } from "../support/events.js";
import { LoggingService, fileWith, newDirectory, newKey } from "../support/log.js";
import { configContent, program, tokens } from "../support/service.js";

interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a file with Node, in a directory where nothing else is. */
function run(file: string, ...args: string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [file, ...args], { cwd: newDirectory(), env: {} });
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => (out += chunk.toString()));
    child.stderr.on("data", (chunk: Buffer) => (err += chunk.toString()));
    child.on("exit", (code) => resolve({ code, out, err }));
  });
}

describe("the commands verify, witness and proof", function () {
  this.timeout(120_000);
  let database: TestDatabase;
  let service: LoggingService;
  let alone: string;
  let common: string[];
  before(async () => {
    database = await createDatabase();
    service = await LoggingService.start(database.runtime);
    for (let i = 0; i < 6; i++)
      await post(
        service.app.main,
        Array.from({ length: 100 }, () => event()),
      );
    await service.covers(600);
    // As an auditor has it: this file alone.
    alone = join(newDirectory(), "verify.js");
    copyFileSync(join(dirname(program()), "verify.js"), alone);
    common = ["--url", service.url, "--token-file", fileWith(`${tokens.reader}\n`), "--key", service.key.vkey];
  });
  after(async () => {
    await service.stop();
    await database.drop();
  });

  it("verify from one file, as well as from the service's program", async () => {
    for (const start of [[alone], [alone, "verify"], [program(), "verify"]]) {
      const [file = "", ...args] = start;
      const { code, out } = await run(file, ...args, ...common);
      assert.equal(code, 0, out);
      assert.match(out, /^whole: audit\.example\.com\/test, 600 entries, root \S{44}: 600 events verified, 0 dropped/);
    }
  });

  it("verify offline what --save has kept, and an export in another spelling", async () => {
    const directory = newDirectory();
    assert.equal((await run(alone, ...common, "--save", directory)).code, 0);
    assert.deepEqual(readdirSync(directory).sort(), ["checkpoint", "checkpoint.first", "events.ndjson", "tile"]);
    const offline = ["--log", directory, "--key", service.key.vkey];
    assert.equal((await run(alone, ...offline)).code, 0);
    const lines = readFileSync(join(directory, "events.ndjson"), "utf8").trim().split("\n");
    const others = lines.map((line) => JSON.stringify(JSON.parse(line), null, 1).replaceAll("\n", "")).reverse();
    assert.equal((await run(alone, ...offline, "--export", fileWith(others.join("\n")))).code, 0);

    const changed = lines.map((line, i) => (i === 300 ? line.replace("anna@", "eve@") : line)).filter((_, i) => i !== 10);
    const { code, out } = await run(alone, ...offline, "--export", fileWith(changed.join("\n")), "--json");
    const verdict = JSON.parse(out) as Verdict;
    assert.equal(code, 1);
    assert.deepEqual(verdict.findings.map(({ what, position }) => [what, position]), [["changed", 299], ["deleted", 589]]); // prettier-ignore
    const [origin, , root] = readFileSync(join(directory, "checkpoint"), "utf8").split("\n");
    const since = fileWith(service.signed(`${[origin, 700, root].join("\n")}\n`));
    assert.match((await run(alone, ...offline, "--since", since)).out, /had 700: .*, or these files were saved before that checkpoint was kept\n/); // prettier-ignore
    rmSync(join(directory, "tile/entries/001"));
    assert.match((await run(alone, ...offline)).err, /^--log: .*; give the directory that verify --save has written\.\n$/);
  }); // prettier-ignore

  it("name the event in words, with exit code 1", async () => {
    const [row] = await database.query<{ id: string }>("UPDATE audit.events SET actor = 'eve' WHERE seq = (SELECT max(seq) - 5 FROM audit.events) RETURNING id"); // prettier-ignore
    const { code, out } = await run(alone, ...common);
    assert.equal(code, 1);
    assert.match(out, new RegExp(`^tampered: the event ${row?.id} of billing is not what entry 594 of the log holds`));
    assert.match(out, /\nTAMPERED WITH \(1 finding\): /);
    await database.query("UPDATE audit.events SET actor = 'anna@example.com' WHERE actor = 'eve'");
  });

  it("check the proof of one event offline, by a line of an export, by an answer, and without its salt", async () => {
    const [row] = await database.query<{ id: string }>("SELECT id FROM audit.events OFFSET 42 LIMIT 1");
    const key = ["--key", service.key.vkey];
    const file = fileWith(await (await service.get(`/v1/events/${row?.id}/proof`)).text());
    const answer = await (await service.get("/v1/events?limit=1000")).text();
    const lines = (await (await service.get("/v1/events/export")).text()).trim().split("\n");
    const line = lines.find((text) => text.includes(row?.id ?? "none")) ?? "";
    const prove = (event: string, proof = file) => run(alone, "proof", "--proof", proof, "--event", fileWith(event), ...key);
    for (const event of [line, answer, lines.join("\n"), JSON.stringify(JSON.parse(line), null, 2)]) {
      const { code, out, err } = await prove(event);
      assert.equal(code, 0, out + err);
      assert.match(out, new RegExp(`^proved: the event ${row?.id} of billing is entry \\d+ of audit\\.example\\.com/test, under `));
    }
    const changed = await prove(line.replace("anna@", "eve@"));
    assert.equal(changed.code, 1);
    assert.match(changed.out, /^NOT PROVED: this event is not entry \d+ of audit\.example\.com\/test: it was changed, or /);
    assert.match((await prove(lines.filter((text) => text !== line).join("\n"))).out, /none of these 599 events is entry/);
    for (const [outcome, message] of [
      [await prove("x"), /^--event: .*; give the event as the service answers it/],
      [await prove(""), /^--event: the file is empty/],
      [await prove(line, fileWith("x")), /^--proof: this is no proof/],
      [await run(alone, "proof", ...key), /^--proof: name the file/],
      [await run(alone, "proof", "--proof", file, "--event", fileWith(line), "--key", newKey().vkey), /^the proof's checkpoint is not signed by any --key/],
    ] as const) {
      assert.equal(outcome.code, 2, outcome.err);
      assert.match(outcome.err, message);
    }
  }); // prettier-ignore

  it("tell of each other, when asked and without arguments", async () => {
    for (const args of [["--help"], []]) {
      const { code, out } = await run(alone, ...args);
      assert.equal(code, 0);
      assert.match(out, /^verify --url .*\n {2}witness .*\n {2}proof /s);
    }
  });

  it("say that a service keeps no log", async () => {
    const off = await LoggingService.start(database.runtime);
    off.file.write({ ...configContent(database.runtime) });
    await off.app.configReloader.reload();
    const { code, err } = await run(alone, ...common, "--url", off.url);
    await off.stop();
    assert.equal(code, 2);
    assert.match(err, /^--url: \/log\/checkpoint was answered 404: the service keeps no log/);
  });

  const wrong: [string, () => string[], RegExp][] = [
    ["no key", () => common.slice(0, 4), /^--key: give the log's public key/],
    ["a key that is none", () => [...common, "--key", "x+y"], /^--key: "x\+y" is not the public key of a log.*without quotes/],
    ["another's key", () => [...common.slice(0, 4), "--key", newKey().vkey], /^the log's checkpoint is not signed by any --key/],
    ["a token that is wrong", () => [...common, "--token-file", fileWith("x")], /^--url: \/log\/checkpoint was answered 401 /],
    ["a token of an application", () => [...common, "--token-file", fileWith(tokens.billingReader)], /answered 403 /],
    ["no file with a token", () => [...common, "--token-file", "/none"], /^--token-file: cannot read \/none: ENOENT/],
    ["neither service nor files", () => ["--key", service.key.vkey], /^give either --url, .* or --log/],
    ["an option that is not known", () => ["--kye", "x"], /^verify: Unknown option '--kye'/],
    ["a number that is none", () => [...common, "--retention-days", "x"], /^--retention-days: must be a whole number/],
  ]; // prettier-ignore
  for (const [what, args, message] of wrong)
    it(`end with exit code 2 and the cure: ${what}`, async () => {
      const { code, err } = await run(alone, ...args());
      assert.equal(code, 2, err);
      assert.match(err, message);
    });

  it("witness each checkpoint once the log extends the former, and report it", async () => {
    const since = join(newDirectory(), "checkpoint");
    const first = await run(alone, "witness", ...common, "--since", since);
    assert.equal(first.code, 0, first.err);
    assert.match(first.out, /^witnessed: \S+ has 600 entries; this is the first checkpoint\n$/);
    await post(service.app.main, event());
    await service.covers(601);
    assert.match(
      (await run(program(), "witness", ...common, "--since", since)).out,
      /^witnessed: \S+ has 601 entries and extends the 600 of before\n$/,
    );
    assert.equal(readFileSync(since, "utf8"), await (await service.get("/log/checkpoint")).text());
    const [row] = await database.query<{ size: string }>("SELECT size FROM audit.log_checkpoints WHERE kind = 'witnessed'"); // prettier-ignore
    assert.equal(row?.size, "601");
  });

  it("witness that history was rewritten, and keep the former checkpoint", async () => {
    const [origin, , ...rest] = (await (await service.get("/log/checkpoint")).text()).split("\n");
    const larger = service.signed(`${[origin, 700, rest[0]].join("\n")}\n`);
    const since = fileWith(larger);
    const shrunk = await run(alone, "witness", ...common, "--since", since);
    assert.deepEqual([shrunk.code, readFileSync(since, "utf8")], [1, larger]);
    assert.match(shrunk.out, /^HISTORY WAS REWRITTEN: .* it has 601 entries now; an older backup was restored/);
    writeFileSync(since, service.signed(`${[origin, 300, rest[0]].join("\n")}\n`));
    const other = await run(alone, "witness", ...common, "--since", since);
    assert.deepEqual([other.code, other.out.split(": ").at(-1)], [1, "its entries before that are others\n"]);
  });
});
