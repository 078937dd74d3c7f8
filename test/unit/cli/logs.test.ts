import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { showLogs } from "../../../cli/logs/logs";
import type { LogsOptions } from "../../../cli/logs/source";
import { Merge } from "../../../cli/logs/merge";
import { describe as described, isOf, readLine, type LogRecord } from "../../../cli/logs/record";
import { styleFor } from "../../../cli/output";
import { readContainers } from "../../../cli/vm/containers";
import { vmScript } from "../../../cli/vm/script";
import { contextWith, described as onVm, pulumiWith } from "./context";
import { audit } from "./support";

const plain = styleFor(false);
const releases = new Map([["audit-svc-blue-1", "a".repeat(12)]]);
const AT = "2026-11-30T12:00:00.123456789Z";
const read = (line: string): LogRecord => readLine(line, releases) ?? assert.fail(line);

describe("a line of a log", () => {
  it("has its container, release and time, and is JSON or text", () => {
    assert.deepEqual(read(`audit-svc-blue-1 ${AT} {"level":"info","msg":"hi"}`), {
      ...{ time: AT, container: "audit-svc-blue-1", release: "aaaaaaaaaaaa", entry: { level: "info", msg: "hi" } },
    });
    assert.deepEqual(read(`audit-svc-agent ${AT} {half`), { time: AT, container: "audit-svc-agent", entry: "{half" });
    assert.equal(read(`audit-svc-agent ${AT}`).entry, "");
    assert.equal(read("audit-svc-7c-x1 2026-11-30T02:00:00.123456789+03:00 hi").time, "2026-11-29T23:00:00.123456789Z");
    assert.equal(readLine("Error response from daemon", releases), undefined);
  });

  it("is read by people: time, container, release, level, message, and the rest", () => {
    const line = `audit-svc-blue-1 ${AT} {"level":"warn","time":"…","msg":"request refused","status":503,"path":"/v1/events","list":["a b"]}`;
    assert.equal(
      described(read(line), plain),
      '12:00:00.123 blue-1 aaaaaaaaaaaa warn request refused status=503 path=/v1/events list=["a b"]',
    );
    const agent = `audit-svc-agent ${AT} {"@level":"warn","@message":"it is sealed","@module":"agent","@timestamp":"…"}`;
    assert.equal(described(read(agent), plain), "12:00:00.123 agent warn it is sealed @module=agent");
    assert.equal(described(read(`audit-edge-nginx ${AT} started`), plain), "12:00:00.123 edge-nginx started");
  });

  it("belongs to a request by the service's id, Nginx's, or an answer's", () => {
    for (const name of ["reqId", "id", "requestId"])
      assert.equal(isOf(read(`audit-svc-blue-1 ${AT} {"${name}":"abc12345"}`), "abc12345"), true);
    assert.equal(isOf(read(`audit-svc-blue-1 ${AT} {"path":"/abc12345"}`), "abc12345"), false);
    assert.equal(isOf(read(`audit-edge-nginx ${AT} upstream failed, abc12345`), "abc12345"), true);
  });
});

describe("lines of several containers", () => {
  const record = (time: string): LogRecord => ({ time, container: "c", entry: "" });

  it("are shown in the order of time", () => {
    const shown: string[] = [];
    const merge = new Merge(false, ({ time }) => shown.push(time));
    for (const time of ["3", "1", "2"]) merge.add(record(time));
    assert.deepEqual(shown, []);
    merge.flush();
    assert.deepEqual(shown, ["1", "2", "3"]);
  });

  it("wait for each other for a moment while they go on", async () => {
    const shown: string[] = [];
    const merge = new Merge(true, ({ time }) => shown.push(time));
    merge.add(record("2"));
    merge.add(record("1"));
    await sleep(500);
    merge.add(record("3"));
    assert.deepEqual(shown, ["1", "2"]);
    merge.flush();
    assert.deepEqual(shown, ["1", "2", "3"]);
  });
});

/** A Docker that keeps its arguments and plays one VM. */
const DOCKER = `#!/bin/sh
echo "$*" >> "$CALLS"
case "$1 $2" in
  "ps --all") case "$*" in *Names*) printf 'audit-svc-blue-1\\naudit-svc-blue-2\\naudit-svc-agent\\n' ;; *) echo id1 ;; esac ;;
  "inspect --format") case "$3" in '{{.Image}}') echo sha256:a ;; *) echo '{"name":"/audit-svc-blue-1","state":"running","image":"sha256:a"}' ;; esac ;;
  "image inspect") echo '{"id":"sha256:a","digests":["r/a@sha256:1"]}' ;;
  "exec audit-edge-nginx") [ "$3" != test ] || exit "$MARKER" ;;
  "events --since") echo "1 audit-svc-green-1"; echo "1 postgres"; sleep 60 ;;
  "logs --timestamps")
    for name; do :; done
    echo "2026-01-01T00:00:00.1Z of $name"
    echo "2026-01-01T00:00:00.2Z needle of $name" >&2
    case "$*" in *--follow*) sleep 60 ;; esac ;;
esac
`;

describe("the scripts that ask the VM", () => {
  let directory = "";
  let env: NodeJS.ProcessEnv = {};
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "logs-"));
    mkdirSync(join(directory, "bin"));
    writeFileSync(join(directory, "bin/docker"), DOCKER, { mode: 0o755 });
  });
  beforeEach(() => {
    env = { ...process.env, PATH: `${directory}/bin:${process.env.PATH ?? ""}`, CALLS: join(directory, "calls"), MARKER: "0" }; // prettier-ignore
  });
  after(() => rmSync(directory, { recursive: true }));
  const sh = (line: string) => spawnSync("sh", ["-c", line], { env, encoding: "utf8" });

  it("list the containers, their images' digests, and the slot that Nginx serves", () => {
    for (const [marker, slot] of [["0", "green"], ["1", "blue"]] as const) {
      env.MARKER = marker;
      const { stdout, stderr, status } = sh(vmScript("containers.sh", ["/run/release/green"]));
      assert.equal(status, 0, stderr);
      const { containers, marker: found } = readContainers(stdout);
      assert.equal(found, slot);
      assert.deepEqual(containers.map(({ name, part, digests }) => [name, part, digests]), [["audit-svc-blue-1", "service", ["r/a@sha256:1"]]]);
    } // prettier-ignore
  });

  const wanted = "^audit-svc-(blue|green)-[0-9]+$";
  it("print the last lines of the containers that are meant, with both streams", () => {
    const { stdout } = sh(vmScript("logs.sh", ["no", "10m", "5", "-", wanted]));
    assert.deepEqual(stdout.trim().split("\n").sort(), [
      "audit-svc-blue-1 2026-01-01T00:00:00.1Z of audit-svc-blue-1",
      "audit-svc-blue-1 2026-01-01T00:00:00.2Z needle of audit-svc-blue-1",
      "audit-svc-blue-2 2026-01-01T00:00:00.1Z of audit-svc-blue-2",
      "audit-svc-blue-2 2026-01-01T00:00:00.2Z needle of audit-svc-blue-2",
    ]);
  });

  it("look for a text on the VM already", () => {
    const { stdout } = sh(vmScript("logs.sh", ["no", "-", "all", "needle", "^audit-svc-agent$"]));
    assert.equal(stdout, "audit-svc-agent 2026-01-01T00:00:00.2Z needle of audit-svc-agent\n");
  });

  it("follow also what starts later, and end with their caller", async () => {
    const child = spawn("sh", ["-c", vmScript("logs.sh", ["yes", "-", "0", "-", wanted])], { env, detached: true });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    while (!printed.includes("needle of audit-svc-green-1") || !printed.includes("needle of audit-svc-blue-2")) await sleep(20); // prettier-ignore
    assert.doesNotMatch(printed, /postgres|agent/);
    child.stdin.end();
    await once(child, "exit");
    const group = spawnSync("ps", ["-o", "pid,stat,args", "-g", String(child.pid)], { encoding: "utf8" }).stdout;
    assert.doesNotMatch(group, /sleep 60/);
  });
});

describe("audit logs", () => {
  const all: LogsOptions = { part: undefined, follow: false, since: undefined, lines: undefined, request: undefined };
  /** A shell that prints these lines whatever it is asked. */
  const printing = (...lines: string[]): string => `printf '%s\\n' ${lines.map((line) => `'${line}'`).join(" ")}; :`;
  const world = (shell: string, more: object = {}) => ({
    ...{ stack: "vm2", values: { kubeNamespace: "audit" }, onHost: async () => onVm(), hostShell: shell, ...more },
  });

  it("shows the replicas with their releases, merged", async () => {
    const shell = printing(`audit-svc-green-2 ${AT} two`, "audit-svc-green-1 2026-11-30T11:00:00.5Z one");
    const { context, printed } = contextWith(world(shell));
    assert.equal(await showLogs(all, context), 0);
    assert.equal(printed.out, "11:00:00.5Z green-1 bbbbbbbbbbbb one\n12:00:00.123 green-2 bbbbbbbbbbbb two\n");
  });

  it("gives programs an object a line", async () => {
    const { context, printed } = contextWith(world(printing(`audit-svc-green-2 ${AT} {"a":1}`)), { json: true });
    await showLogs(all, context);
    assert.deepEqual(JSON.parse(printed.out), {
      ...{ time: AT, container: "audit-svc-green-2", release: "bbbbbbbbbbbb", entry: { a: 1 } },
    });
  });

  it("shows one request alone, and says when there is none", async () => {
    const shell = printing(`audit-svc-green-1 ${AT} {"reqId":"abc12345"}`, `audit-edge-nginx ${AT} {"path":"/abc12345"}`); // prettier-ignore
    const { context, printed } = contextWith(world(shell));
    assert.equal(await showLogs({ ...all, request: "abc12345" }, context), 0);
    assert.equal(printed.out.split("\n").length, 2);
    await assert.rejects(
      showLogs({ ...all, request: "other-id" }, context),
      /no line of edge and service has the request id other-id/,
    );
  });

  it("shows what the last migration printed, from the state", async () => {
    const resources = [{ urn: "x::audit-svc-migrate", modified: AT, outputs: { stdout: "applied: 1\nschema version 4", stderr: "" } }]; // prettier-ignore
    const { pulumi } = pulumiWith({ "stack export": { deployment: { resources } } });
    const { context, printed } = contextWith(world("", { pulumi }));
    assert.equal(await showLogs({ ...all, part: "migrate" }, context), 0);
    assert.equal(printed.out, "12:00:00.123 migrate applied: 1\n12:00:00.123 migrate schema version 4\n");
    const none = contextWith(world("", { pulumi: pulumiWith({ "stack export": { deployment: {} } }).pulumi }));
    await assert.rejects(showLogs({ ...all, part: "migrate" }, none.context), /has no migration yet/);
  });

  it("says what ssh said", async () => {
    const failing = contextWith(world("echo 'Permission denied (publickey).' >&2; exit 255; :"));
    await assert.rejects(showLogs(all, failing.context), /^Error: the VM \(audit:hostAddress\): Permission denied/);
  });

  for (const [argv, what] of [
    [["nginx"], /part cannot be "nginx"; it is one of "service", "edge", "agent", "migrate"/],
    [["--since", "yesterday"], /--since yesterday is neither a length such as 10m nor a time/],
    [["--since", "1h; reboot"], /neither a length/],
    [["--since", "2026-02-29T12:00:00Z"], /--since 2026-02-29T12:00:00Z is neither a length/],
    [["--since", "2026-13-01"], /neither a length/],
    [["--since", "2026-01-31T25:00:00Z"], /neither a length/],
    [["-n", "few"], /--lines must be a whole number/],
    [["--request", "$(reboot)"], /is no request id/],
    [["migrate", "-f"], /do not fit/],
  ] as const)
    it(`refuses \`audit logs ${argv.join(" ")}\``, async () => {
      const { code, err } = await audit(["logs", ...argv]);
      assert.equal(code, 2);
      assert.match(err, what);
    });
});
