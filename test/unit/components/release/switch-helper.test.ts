import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { scriptWords } from "../../../../components/host/script-file";
import { commandLine } from "../../../../lib/shell";
import { helperCommand } from "../../../../components/release/switch-helper";
import { fakeClock, fakeProgram } from "../../support/fake-programs";

const file = "config of this deploy";
const digest = createHash("sha256").update(file).digest("hex");

/**
 * Sends commands to a helper of the deploy `me`. Replicas give these answers in order, the last one repeatedly. An
 * empty one is not 2xx.
 */
function ask(
  questions: readonly string[],
  given: { answers?: readonly string[]; schemaVersion?: number; owner?: string; serving?: "blue" | "green" } = {},
) {
  const { answers = [""], schemaVersion, owner, serving = "blue" } = given;
  const directory = mkdtempSync(join(tmpdir(), "helper-"));
  const at = (name: string): string => join(directory, name);
  mkdirSync(at("marker"));
  if (serving === "green") writeFileSync(at("marker/green"), "", { mode: 0o444 });
  if (owner !== undefined) writeFileSync(at("marker/owner"), owner);
  writeFileSync(at("config.json"), file);
  answers.forEach((answer, i) => writeFileSync(at(`answer-${i + 1}`), answer));
  fakeClock(directory);
  fakeProgram(
    directory,
    "wget",
    `echo >> ${at("asked")}
n=$(wc -l < ${at("asked")})
[ "$n" -le ${answers.length} ] || n=${answers.length}
[ -s ${at("answer-$n")} ] && cat ${at("answer-$n")} || { echo "wget: server returned error: HTTP/1.1 503" >&2; exit 1; }
`,
  );
  const [program = "", ...words] = scriptWords("switch-helper.sh", [
    at("marker"),
    at("config.json"),
    schemaVersion ?? "",
    "me",
  ]);
  const ran = spawnSync(program, words, {
    env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}`, TMPDIR: directory },
    input: questions.map((question) => `${question}\n`).join(""),
    encoding: "utf8",
  });
  const files = readdirSync(at("marker")).filter((name) => name !== "lock");
  rmSync(directory, { recursive: true });
  assert.equal(ran.stderr, "");
  return { answers: ran.stdout.split("\n").slice(0, -1), files };
}

const URL = "http://172.29.96.1:8080/readyz";
const gate = (answers: readonly string[], schemaVersion?: number) =>
  ask([`await ${URL}`], { answers, ...(schemaVersion !== undefined && { schemaVersion }) }).answers;

describe("the helper of a switch", () => {
  it("accepts a release that reports this deploy's configuration and schema", () => {
    assert.deepEqual(gate([`{"status":"ready","digest":"${digest}","schemaVersion":3}`], 3), ["ready"]);
    assert.deepEqual(gate([`{"schemaVersion": 12, "digest": "${digest}"}`], 3), ["ready"], "a newer schema");
  });

  it("waits a moment until a release reports them", () => {
    assert.deepEqual(gate(["", '{"digest":"00"}', `{"digest":"${digest}"}`]), ["ready"]);
  });

  it("accepts an image that reports neither", () => {
    assert.deepEqual(gate(['{"status":"ready"}'], 3), ["ready"]);
    assert.deepEqual(gate(["ok"], 3), ["ready"]);
  });

  it("rejects another configuration, an older schema, and no answer, and says which in one line", () => {
    const other = `{"digest":"${"0".repeat(64)}",\n"schemaVersion":3}`;
    assert.deepEqual(gate([other], 3), [
      `${URL} works with another configuration than the one rendered, sha256 ${digest}: ${other.replace("\n", " ")}`,
    ]);
    assert.deepEqual(gate([`{"digest":"${digest}","schemaVersion":2}`], 3), [
      `${URL} sees version 2 of the schema, and migrate made 3`,
    ]);
    assert.deepEqual(gate([""], 3), [`${URL} does not answer 2xx: wget: server returned error: HTTP/1.1 503`]);
  });

  it("takes over, and answers the active slot", () => {
    assert.deepEqual(ask(["take-over", "hold"], { owner: "another" }), { answers: ["blue", "blue"], files: ["owner"] });
    assert.deepEqual(ask(["take-over"], { serving: "green" }).answers, ["green"]);
  });

  it("promotes a slot with the marker, repeatedly", () => {
    const asked = ["take-over", "promote green", "promote green", "promote blue", "promote blue", "hold"];
    const answers = ["blue", "done", "done", "done", "done", "blue"];
    assert.deepEqual(ask(asked), { answers, files: ["owner"] });
    assert.deepEqual(ask(["take-over", "promote green"]).files, ["green", "owner"]);
  });

  it("says that it could not promote a slot", () => {
    const [, answer] = ask(["take-over", "promote red"]).answers;
    assert.equal(answer, "the active-slot marker cannot be changed");
  });

  it("decides nothing for a deploy that is superseded", () => {
    const { answers, files } = ask(["hold", "promote green"], { owner: "another" });
    assert.deepEqual(answers, ["superseded", "superseded"]);
    assert.deepEqual(files, ["owner"]);
  });

  it("lets no other deploy take over while it holds the slots, and every one once it has ended", async () => {
    const marker = mkdtempSync(join(tmpdir(), "helper-"));
    const helper = (name: string) => {
      const [program = "", ...words] = scriptWords("switch-helper.sh", [marker, "", "", name]);
      const child = spawn(program, words, { stdio: ["pipe", "pipe", "inherit"] });
      const lines: string[] = [];
      createInterface(child.stdout).on("line", (line) => lines.push(line));
      return { child, lines };
    };
    const until = async (right: () => boolean) => {
      for (const end = Date.now() + 5_000; !right() && Date.now() < end;) await sleep(20);
    };
    const draining = helper("draining");
    draining.child.stdin.write("take-over\nhold\n");
    await until(() => draining.lines.length === 2);
    const later = helper("later");
    later.child.stdin.write("take-over\n");
    await sleep(300);
    assert.deepEqual([draining.lines, later.lines], [["blue", "blue"], []]);
    draining.child.stdin.end();
    await until(() => later.lines.length === 1);
    assert.deepEqual(later.lines, ["blue"]);
    later.child.stdin.end();
    await once(later.child, "close");
    rmSync(marker, { recursive: true });
  });

  it("is restricted: in the configuration's group, without capabilities, in the background", () => {
    const context = {
      tools: "tools@sha256:0",
      frontNetwork: "front",
      markerVolume: "marker",
      readyDeadline: 60,
      readyPath: "/",
    };
    const config = { volume: "rendered", file: "config.json", group: "10001" };
    const script = commandLine(helperCommand(context, { config, schemaVersion: undefined }));
    for (const words of [
      "--network front",
      "--read-only",
      "--cap-drop ALL",
      "--security-opt no-new-privileges",
      "--cpu-shares 128",
      "--user 0:0 --group-add 10001 --volume marker:/marker --volume rendered:/config:ro",
    ])
      assert.ok(script.includes(words), words);
    assert.doesNotMatch(commandLine(helperCommand(context)), /--group-add|\/config\//);
  });
});
