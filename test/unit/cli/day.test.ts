import assert from "node:assert/strict";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { types } from "pg";
import { openDatabase, psqlEnvironment, TYPES } from "../../../cli/database/psql";
import { table } from "../../../cli/database/table";
import { showEvents, type EventsOptions } from "../../../cli/events/events";
import { chosen, runInContainer } from "../../../cli/vm/exec";
import { readContainers } from "../../../cli/vm/containers";
import type { World } from "../../../cli/world";
import { contextWith, described } from "./context";
import { audit } from "./support";

describe("audit exec", () => {
  const vm = (change?: Parameters<typeof described>[0], marker?: string) => readContainers(described(change, marker));

  it("takes the active slot's first replica, or the container that is named in any of its names", () => {
    for (const [named, wanted] of [
      [undefined, "audit-svc-green-1"],
      ["green-2", "audit-svc-green-2"],
      ["green", "audit-svc-green-1"],
      ["audit-svc-green-2", "audit-svc-green-2"],
      ["edge", "audit-edge-nginx"],
      ["edge-exporter", "audit-edge-exporter"],
      ["agent", "audit-svc-agent"],
    ] as const)
      assert.equal(chosen(vm(), named), wanted);
    assert.equal(chosen(vm(undefined, ""), undefined), "audit-svc-green-1", "without Nginx nobody knows the marker");
  });

  it("names what runs for a container that does not, and only the service's own", () => {
    for (const named of ["blue-1", "my-audit-tool", "x; reboot"])
      assert.throws(() => chosen(vm(), named), /there runs edge-exporter, edge-nginx, agent, green-1, green-2$/);
    const stopped = vm((all) => Object.values(all).forEach((each) => Object.assign(each, { state: "exited" })));
    assert.throws(() => chosen(stopped, undefined), /no replica runs; `audit status`/);
  });

  it("ends with the command's exit code, and gives programs what it printed", async () => {
    const asked: string[] = [];
    const onHost = async (line: string) => (asked.push(line), asked.length === 1 ? described() : "two\nlines\n\n3\n");
    const { context, printed } = contextWith({ values: {}, onHost }, { json: true });
    assert.equal(await runInContainer(undefined, ["sh", "-c", "echo two; echo lines; exit 3"], context), 3);
    assert.deepEqual(JSON.parse(printed.out), {
      ...{ container: "audit-svc-green-1", command: ["sh", "-c", "echo two; echo lines; exit 3"] },
      ...{ code: 3, stdout: "two\nlines" },
    });
    assert.equal(asked[1], "code=0; docker exec audit-svc-green-1 sh -c 'echo two; echo lines; exit 3' || code=$?; echo; echo \"$code\""); // prettier-ignore
  });

  it("has no terminal for the program where there is none", async () => {
    const world = { values: {}, onHost: async () => described(), hostShell: "sh -c 'exit 7'" };
    assert.equal(await runInContainer("agent", ["ls"], contextWith(world).context), 7);
  });
});

describe("audit exec, with a pipe before it", () => {
  const before = Object.getOwnPropertyDescriptor(process.stdin, "isTTY");
  after(() => Object.defineProperty(process.stdin, "isTTY", before ?? { value: undefined, configurable: true }));

  it("has no terminal for the program, which would refuse one, though its answer goes to a terminal", async () => {
    Object.defineProperty(process.stdin, "isTTY", { value: false, configurable: true });
    const world = { values: { hostAddress: "ssh://a@b.invalid", hostSshOptions: [] }, onHost: async () => described(), hostShell: `sh -c 'case "$0" in *" -t "*) exit 9 ;; *) exit 7 ;; esac'` }; // prettier-ignore
    assert.equal(await runInContainer("agent", ["cat"], contextWith(world, { terminal: true }).context), 7);
  });
});

describe("audit psql", () => {
  const VALUES = {
    ...{ databaseName: "audit", databaseHost: "db.test", databasePort: 5432, databaseAdminHost: "[fd00::1]" },
    ...{ databaseAdminPort: 0, databaseAdminUser: "deployer", databaseSslMode: "verify-full" },
  };
  const login = () => "of-the-deployer";

  it("gives psql its login in the environment, a role with few rights, and a read-only session", () => {
    const world = { values: { ...VALUES, caFile: { file: "ca.pem" } }, env: { PATH: "/bin" }, login } as unknown as World; // prettier-ignore
    assert.deepEqual(psqlEnvironment(world, "audit_runtime", false), {
      ...{ PATH: "/bin", PGHOST: "fd00::1", PGPORT: "5432", PGUSER: "deployer", PGPASSWORD: "of-the-deployer" },
      ...{ PGDATABASE: "audit", PGSSLMODE: "verify-full", PGSSLROOTCERT: "ca.pem", PGAPPNAME: "audit psql" },
      PGOPTIONS: "-c role=audit_runtime -c default_transaction_read_only=on",
    });
    const write = psqlEnvironment({ values: VALUES, env: {}, login } as unknown as World, "audit_owner", true);
    assert.equal(write.PGOPTIONS, "-c role=audit_owner -c default_transaction_read_only=off");
    assert.equal(write.PGSSLROOTCERT, "system");
  });

  /** A client that keeps what it is asked. */
  const clientWith = (answer: () => object) => {
    const asked: unknown[] = [];
    const client = {
      ...{ connect: async () => undefined, end: async () => void asked.push("end") },
      escapeIdentifier: (name: string) => `"${name}"`,
      query: async (query: unknown) => (asked.push(query), typeof query === "string" ? {} : answer()),
    };
    return { asked, world: { values: VALUES, database: async (name: string) => (asked.push(name), client) } };
  };
  const select = { command: "SELECT", rowCount: 1, rows: [["2", null]], fields: [{ name: "count" }, { name: "at" }] }; // prettier-ignore

  it("runs one statement in a read-only transaction, as the service", async () => {
    const { asked, world } = clientWith(() => select);
    const { context, printed } = contextWith(world);
    assert.equal(await openDatabase({ statement: "SELECT 1", write: false }, context), 0);
    assert.deepEqual(asked, [
      ...["audit", "BEGIN READ ONLY", 'SET LOCAL ROLE "audit_runtime"'],
      ...[{ text: "SELECT 1", queryMode: "extended", rowMode: "array", types: TYPES }, "COMMIT", "end"],
    ]);
    assert.equal(printed.out, " count | at\n-------+----\n 2     |\n(1 row)\n");
  });

  it("changes something only when told to, as the owner", async () => {
    const { asked, world } = clientWith(() => ({ command: "DELETE", rowCount: 3, rows: [], fields: [] }));
    const { context, printed } = contextWith(world);
    await openDatabase({ statement: "DELETE FROM x", write: true }, context);
    assert.deepEqual(asked.slice(1, 3), ["BEGIN READ WRITE", 'SET LOCAL ROLE "audit_owner"']);
    assert.equal(printed.out, "DELETE 3\n");
    const json = contextWith(clientWith(() => select).world, { json: true });
    await openDatabase({ statement: "SELECT 1", write: false }, json.context);
    assert.deepEqual(JSON.parse(json.printed.out), {
      ...{ command: "SELECT", rowCount: 1, rows: [{ count: "2", at: null }] },
    });
  });

  it("shows columns of the same name, and gives programs none of which one would hide the other", async () => {
    const both = { ...select, rows: [["2", "7"]], fields: [{ name: "count" }, { name: "count" }] };
    const { context, printed } = contextWith(clientWith(() => both).world);
    assert.equal(await openDatabase({ statement: "SELECT 1", write: false }, context), 0);
    assert.match(printed.out, /^ count \| count\n.*\n 2 {5}\| 7\n/);
    const { asked, world } = clientWith(() => both);
    const json = contextWith(world, { json: true });
    await assert.rejects(
      openDatabase({ statement: "SELECT 1", write: true }, json.context),
      /^Error: two columns are called count; with --json, name each by AS$/,
    );
    assert.ok(!asked.includes("COMMIT"));
  });

  it("shows days and local times as they are stored, whatever the time zone here", () => {
    const text = (oid: number, value: string) => (TYPES.getTypeParser(oid, "text") as (text: string) => unknown)(value);
    const { DATE, TIMESTAMP, INT4 } = types.builtins;
    assert.deepEqual(
      [text(DATE, "2026-01-31"), text(TIMESTAMP, "2026-01-31 00:30:00"), text(INT4, "7")],
      ["2026-01-31", "2026-01-31 00:30:00", 7],
    );
    const [days, times] = [1182, 1115];
    assert.deepEqual(text(days, "{2026-01-31,NULL}"), ["2026-01-31", null]);
    assert.deepEqual(text(times, '{"2026-01-31 00:30:00"}'), ["2026-01-31 00:30:00"]);
  });

  for (const [code, message, cure] of [
    ["25006", "cannot execute DELETE in a read-only transaction", /; --write allows changes$/],
    ["42601", "cannot insert multiple commands into a prepared statement", /; -c takes one statement/],
    ["42501", 'permission denied to set role "audit_runtime"', /GRANT audit_runtime TO deployer$/],
    [
      "28P01",
      "password authentication failed",
      /; PGPASSWORD is not the password of deployer \(audit:databaseAdminUser\)$/,
    ],
    ["42P01", 'relation "x" does not exist', /database audit: relation "x" does not exist$/],
  ] as const)
    // prettier-ignore
    it(`says what PostgreSQL says, and the cure: ${message}`, async () => {
      const { asked, world } = clientWith(() => {
        throw Object.assign(new Error(message), { code });
      });
      await assert.rejects(openDatabase({ statement: "X", write: false }, contextWith(world).context), cure);
      assert.equal(asked.at(-1), "end");
    });

  it("quotes a role's name in the cure where PostgreSQL needs it", async () => {
    const { world } = clientWith(() => {
      throw Object.assign(new Error("permission denied to set role"), { code: "42501" });
    });
    const other = { ...world, values: { ...VALUES, databaseAdminUser: "Deploy-1" } };
    await assert.rejects(openDatabase({ statement: "X", write: true }, contextWith(other).context), /GRANT audit_owner TO "Deploy-1"$/); // prettier-ignore
  });

  it("takes --json only with a statement", async () => {
    const { code, out } = await audit(["psql", "--json"]);
    assert.deepEqual([code, out], [2, '{"error":"--json goes with -c"}\n']);
  });

  it("shows rows with whatever is in them", () => {
    const row = [new Date(0), Buffer.from("x"), { d: 1 }, "two\nlines"];
    assert.equal(
      table([..."abcd"].map((name) => ({ name })), [row, []]).split("\n")[2]?.trimEnd(),
      ' 1970-01-01T00:00:00.000Z | \\x78 | {"d":1} | two⏎lines',
    ); // prettier-ignore
  });

  it("shows a great many rows", () => {
    const rows = Array.from({ length: 200_000 }, (_, index) => [index]);
    assert.match(table([{ name: "n" }], rows), /\n 199999\n\(200000 rows\)$/);
  });
});

describe("audit events", () => {
  let server: Server;
  let asked: { path: string; token?: string }[] = [];
  let answer: (path: URL) => { status?: number; body: object | string } = () => ({ body: {} });
  before(async () => {
    server = createServer((request, response) => {
      asked.push({ path: request.url ?? "", token: request.headers.authorization });
      const { status = 200, body } = answer(new URL(request.url ?? "", "http://x"));
      response.writeHead(status, { "content-type": "application/json" });
      response.end(typeof body === "string" ? body : JSON.stringify(body));
    });
    await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  });
  beforeEach(() => (asked = []));
  after(() => server.close());

  const event = (id: string, application = "billing") => ({
    ...{ id, application, actor: "alice", action: "login", resource: "console", outcome: "denied" },
    ...{ occurredAt: `2026-11-30T12:00:0${id}.000000Z`, recordedAt: "x", data: { ip: "10.0.0.1" } },
  });
  const world = () => ({
    values: { serviceUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` },
    token: async (holder: string) => `token-of-${holder}`,
  });
  const none = { application: undefined, actor: undefined, what: undefined, outcome: undefined, from: undefined, to: undefined }; // prettier-ignore
  const tail: EventsOptions = { ...none, action: "tail", follow: false, number: 20 };

  it("shows the newest with the reader's token, the last one below", async () => {
    answer = () => ({ body: { events: [event("2"), event("1"), event("0", "audit-svc")], next: null } });
    const { context, printed } = contextWith(world());
    assert.equal(await showEvents(tail, context), 0);
    assert.deepEqual(asked, [{ path: "/v1/events?limit=20", token: "Bearer token-of-reader" }]);
    assert.equal(
      printed.out,
      '2026-11-30 12:00:01 billing alice login console denied 1 {"ip":"10.0.0.1"}\n2026-11-30 12:00:02 billing alice login console denied 2 {"ip":"10.0.0.1"}\n',
    );
  });

  it("looks behind the service's own events for as many as are wanted", async () => {
    answer = ({ searchParams }) =>
      searchParams.get("cursor") === null
        ? { body: { events: [event("9", "audit-svc"), event("8", "audit-svc")], next: "c1" } }
        : { body: { events: [event("7"), event("6", "audit-svc"), event("5"), event("4")], next: "c2" } };
    const { context, printed } = contextWith(world(), { json: true });
    assert.equal(await showEvents({ ...tail, number: 2 }, context), 0);
    const ids = printed.out.trim().split("\n").map((line) => (JSON.parse(line) as { id: string }).id); // prettier-ignore
    assert.deepEqual(ids, ["5", "7"]);
    assert.deepEqual(asked.map(({ path }) => path), ["/v1/events?limit=2", "/v1/events?limit=1000&cursor=c1"]); // prettier-ignore
  });

  it("goes on with what comes, each event once, until Ctrl-C", async () => {
    let events = [event("1")];
    answer = () => ({ body: { events, next: null } });
    const { context, printed, interrupts } = contextWith(world(), { json: true });
    const done = showEvents({ ...tail, follow: true, application: "billing" }, context);
    while (asked.length < 1) await sleep(10);
    events = [event("3"), event("2"), event("1")];
    while (asked.length < 3) await sleep(50);
    interrupts.interrupt();
    assert.equal(await done, 130);
    const ids = printed.out.trim().split("\n").map((line) => (JSON.parse(line) as { id: string }).id); // prettier-ignore
    assert.deepEqual(ids, ["1", "2", "3"]);
  }).timeout(15_000);

  it("says that more came between two looks than a page has", async () => {
    let from = 0;
    answer = () => ({ body: { events: Array.from({ length: 1000 }, (_, at) => ({ ...event("1"), id: `${from + at}` })), next: "c" } }); // prettier-ignore
    const { context, printed, interrupts } = contextWith(world());
    const done = showEvents({ ...tail, follow: true }, context);
    while (asked.length < 1) await sleep(10);
    from = 1000;
    while (asked.length < 3) await sleep(50);
    interrupts.interrupt();
    assert.equal(await done, 130);
    assert.equal(printed.err, "More events came than the 1000 of one look; `audit events find` has those left out.\n");
  }).timeout(15_000);

  it("finds by filters, page by page, as many as are wanted", async () => {
    answer = ({ searchParams }) =>
      searchParams.get("cursor") === null
        ? { body: { events: [event("9"), event("8")], next: "c1" } }
        : { body: { events: [event("7")], next: "c2" } };
    const { context, printed } = contextWith(world());
    const wanted = { ...tail, action: "find", number: 3, actor: "a&b", what: "login", outcome: "denied", from: "2026-01-01T00:00:00Z" } as const; // prettier-ignore
    assert.equal(await showEvents(wanted, context), 0);
    assert.deepEqual(
      asked.map(({ path }) => path),
      [
        "/v1/events?actor=a%26b&action=login&outcome=denied&from=2026-01-01T00%3A00%3A00Z&limit=3",
        "/v1/events?actor=a%26b&action=login&outcome=denied&from=2026-01-01T00%3A00%3A00Z&limit=1&cursor=c1",
      ],
    );
    assert.equal(printed.out.trim().split("\n").length, 3);
    assert.match(printed.err, /There may be more/);
  });

  it("shows in quotes what is not one word, or could write to the terminal, and says that nothing was found", async () => {
    const odd = { ...event("1"), actor: "make up", action: "a\u001b[2J", resource: "запись", data: {} };
    answer = () => ({ body: { events: [odd], next: null } });
    const { context, printed } = contextWith(world());
    await showEvents(tail, context);
    assert.equal(printed.out, '2026-11-30 12:00:01 billing "make up" "a\\u001b[2J" запись denied 1\n');
    answer = () => ({ body: { events: [], next: null } });
    for (const action of ["tail", "find"] as const) {
      const nothing = contextWith(world());
      assert.equal(await showEvents({ ...tail, action }, nothing.context), 0);
      assert.deepEqual([nothing.printed.out, nothing.printed.err], ["", "There is no such event.\n"]);
    }
  });

  it("says what the service says, and how to look further; never the token", async () => {
    answer = () => ({ status: 403, body: { error: "wrong_role", message: "A reader's token", requestId: "abc12345" } });
    const failure = () => showEvents(tail, contextWith(world()).context);
    await assert.rejects(failure(), /answers 403 wrong_role: A reader's token; audit logs --request abc12345 shows more$/); // prettier-ignore
    answer = () => ({ status: 502, body: "<html>Bad Gateway" });
    await assert.rejects(failure(), /^Error: the service answers 502 <html>Bad Gateway$/);
    for (const body of ["<html>Sign in to the proxy", "", "{}", "null"]) {
      answer = () => ({ body });
      await assert.rejects(failure(), /^Error: http:\/\/127\.0\.0\.1:\d+ answers 200, and not as the service does; correct audit:serviceUrl, or see what stands before it$/); // prettier-ignore
    }
    const away = { ...world(), values: { serviceUrl: "http://127.0.0.1:59321" } };
    await assert.rejects(showEvents(tail, contextWith(away).context), /127\.0\.0\.1:59321 does not answer: connect ECONNREFUSED/); // prettier-ignore
  });

  for (const [argv, what] of [
    [["tail", "-n", "0"], /--number must be a whole number above 0/],
    [["find", "-f"], /--follow goes with tail/],
    [["find", "--from", "yesterday"], /--from yesterday is no time; write it as RFC 3339/],
    [["drop"], /action cannot be "drop"; it is one of "tail", "find"/],
    [["find", "--outcome", "bad"], /outcome cannot be "bad"; it is one of "success"/],
  ] as const)
    it(`refuses \`audit events ${argv.join(" ")}\``, async () => {
      const { code, err } = await audit(["events", ...argv]);
      assert.equal(code, 2);
      assert.match(err, what);
    });
});
