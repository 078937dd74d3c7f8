import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  cutoverScript,
  guardScript,
  readyScript,
  type CutoverContext,
  type SlotReplicas,
} from "../../components/cutover-script";

const context: CutoverContext = {
  tools: "tools@sha256:0",
  frontNetwork: "audit-front",
  flagVolume: "audit-svc-release",
  readyDeadline: 60,
  readyPath: "/readyz",
};
const slot = (name: "blue" | "green"): SlotReplicas => ({
  slot: name,
  replicas: [1, 2].map((n) => ({
    name: `audit-svc-${name}-${n}`,
    address: `172.29.96.${n}`,
    port: 8080,
    reload: { network: "admin", address: `172.29.97.${n}`, port: 8081 },
  })),
});

const cutover = (target: SlotReplicas, other: SlotReplicas | undefined) =>
  cutoverScript(
    {
      target,
      other,
      gate: { config: { volume: "rendered", file: "config.json", user: "10001:10001" }, schemaVersion: 3 },
      pids: 256,
      drainSeconds: 2,
    },
    context,
  );

/** Runs a script under a `docker` that writes down what it was asked and plays a VM. */
function execute(
  script: string,
  vm: { serving: "blue" | "green"; ready: boolean; overtaken?: boolean; ooms?: number; lost?: string },
) {
  const directory = mkdtempSync(join(tmpdir(), "cutover-"));
  const log = join(directory, "log");
  const running = ["blue-1", "blue-2", "green-1", "green-2"]
    .map((of) => `audit-svc-${of}`)
    .filter((c) => c !== vm.lost);
  writeFileSync(join(directory, "serving"), vm.serving);
  writeFileSync(
    join(directory, "docker"),
    `#!/bin/sh
case "$*" in
  run*"echo green; else echo blue"*) cat ${directory}/serving; exit 0 ;;
  run*"cat /flag/owner"*) [ ${vm.overtaken ? 1 : 0} = 0 ] || { echo "another deploy has begun in the meantime" >&2; exit 1; } ;;
esac
case "$*" in
  run*": > /flag/green"*) printf green > ${directory}/serving; echo "flip green" >> ${log}; exit 0 ;;
  run*"> /flag/owner"*) echo "take over" >> ${log}; exit 0 ;;
  run*"rm -f /flag/green"*) printf blue > ${directory}/serving; echo "flip blue" >> ${log}; exit 0 ;;
  run*audit-front*) echo ready >> ${log}; ${vm.ready ? "exit 0" : 'echo "http://172.29.96.1:8080/readyz"; exit 1'} ;;
  run*"cat /flag/owner"*) exit 0 ;;
  logs*) echo "last words"; exit 0 ;;
  "container ls"*) printf '%s\\n' ${running.join(" ")}; exit 0 ;;
  events*) ${vm.ooms === undefined ? ":" : "echo x"}; exit 0 ;;
  inspect*Memory*) echo 67108864; exit 0 ;;
  inspect*) echo "running"; exit 0 ;;
  *) echo "$*" >> ${log} ;;
esac
`,
  );
  chmodSync(join(directory, "docker"), 0o755);
  const ran = spawnSync("sh", ["-c", script.replace(/^sleep \d+$|^ {2}sleep \d+$/gm, "true")], {
    env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}` },
    encoding: "utf8",
  });
  const steps = spawnSync("cat", [log], { encoding: "utf8" }).stdout.split("\n").filter(Boolean);
  const serving = readFileSync(join(directory, "serving"), "utf8");
  rmSync(directory, { recursive: true });
  return { code: ran.status, stderr: ran.stderr, stdout: ran.stdout, steps, serving };
}

describe("the cutover's script", () => {
  it("starts, waits until ready, flips, then stops the other slot, in this order", () => {
    const { code, steps, serving, stderr } = execute(cutover(slot("green"), slot("blue")), {
      serving: "blue",
      ready: true,
    });
    assert.equal(code, 0, stderr);
    assert.equal(serving, "green");
    assert.deepEqual(steps, [
      "take over",
      "start audit-svc-green-1",
      "start audit-svc-green-2",
      "update --pids-limit 256 audit-svc-green-1 audit-svc-green-2",
      "ready",
      "flip green",
      "stop --time 30 audit-svc-blue-1 audit-svc-blue-2",
    ]);
  });

  it("stops what is left of the other slot: a killed deploy may have removed one of its containers", () => {
    const vm = { serving: "blue", ready: true, lost: "audit-svc-blue-1" } as const;
    const { code, steps } = execute(cutover(slot("green"), slot("blue")), vm);
    assert.equal(code, 0);
    assert.deepEqual(steps.slice(-2), ["flip green", "stop --time 30 audit-svc-blue-2"]);
  });

  it("does not flip to what is not ready: says why, stops it, and leaves the other serving", () => {
    const { code, steps, serving, stderr } = execute(cutover(slot("green"), slot("blue")), {
      serving: "blue",
      ready: false,
    });
    assert.notEqual(code, 0);
    assert.equal(serving, "blue");
    assert.deepEqual(steps.slice(-2), ["ready", "stop --time 5 audit-svc-green-1 audit-svc-green-2"]);
    assert.match(stderr, /--- audit-svc-green-1: running; its last lines:\nlast words/);
    assert.match(
      stderr,
      /slot green is not ready within 60 s \(http:\/\/172.29.96.1:8080\/readyz\); slot blue serves on/,
    );
  });

  it("says that a replica was killed for want of memory", () => {
    const vm = { serving: "blue", ready: false, ooms: 1 } as const;
    const { stderr } = execute(cutover(slot("green"), slot("blue")), vm);
    assert.match(stderr, /--- audit-svc-green-1: running, killed for want of memory at its limit of 64 MiB; its last/);
  });

  it("neither flips nor stops anything once a later deploy has begun", () => {
    for (const ready of [true, false]) {
      const { code, steps, serving, stderr } = execute(cutover(slot("green"), slot("blue")), {
        serving: "blue",
        ready,
        overtaken: true,
      });
      assert.notEqual(code, 0);
      assert.equal(serving, "blue");
      assert.ok(!steps.some((step) => /^(flip|stop)/.test(step)), steps.join("; "));
      assert.match(stderr, /another deploy has begun in the meantime/);
    }
  });

  it("never stops what serves, also when it is what is not ready", () => {
    const { code, steps } = execute(cutover(slot("blue"), undefined), {
      serving: "blue",
      ready: false,
    });
    assert.notEqual(code, 0);
    assert.ok(!steps.some((step) => step.startsWith("stop")));
  });
});

describe("the gate", () => {
  const file = "config of this deploy";
  const digest = createHash("sha256").update(file).digest("hex");

  /** Runs it on answers: to the first request the first, and so on; the last is repeated. An empty one is no 2xx. */
  function gate(answers: readonly string[], schemaVersion?: number, deadline = 60) {
    const directory = mkdtempSync(join(tmpdir(), "gate-"));
    writeFileSync(join(directory, "config.json"), file);
    answers.forEach((answer, i) => writeFileSync(join(directory, `answer-${i + 1}`), answer));
    writeFileSync(
      join(directory, "wget"),
      `#!/bin/sh
echo >> ${directory}/asked
n=$(wc -l < ${directory}/asked)
[ "$n" -le ${answers.length} ] || n=${answers.length}
[ -s ${directory}/answer-$n ] && cat ${directory}/answer-$n
`,
    );
    chmodSync(join(directory, "wget"), 0o755);
    const script = readyScript(deadline, { configFile: join(directory, "config.json"), schemaVersion });
    const ran = spawnSync("sh", ["-c", script, "http://172.29.96.1:8080/readyz"], {
      env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}` },
      encoding: "utf8",
    });
    rmSync(directory, { recursive: true });
    return { code: ran.status, said: ran.stdout.trim(), stderr: ran.stderr };
  }
  const passes = { code: 0, said: "", stderr: "" };

  it("lets a release through that reports this deploy's configuration and schema", () => {
    assert.deepEqual(gate([`{"status":"ready","digest":"${digest}","schemaVersion":3}`], 3), passes);
    assert.deepEqual(gate([`{"schemaVersion": 12, "digest": "${digest}"}`], 3), passes, "a newer schema");
  });

  it("waits until it does", () => {
    assert.deepEqual(gate(["", '{"digest":"00"}', `{"digest":"${digest}"}`]), passes);
  });

  it("takes an image at its word that reports neither", () => {
    assert.deepEqual(gate(['{"status":"ready"}'], 3), passes);
    assert.deepEqual(gate(["ok"], 3), passes);
  });

  it("holds back another configuration, an older schema, and what does not answer, and says which", () => {
    const held = (answer: string, reason: RegExp) => {
      const { code, said } = gate([answer], 3, 0);
      assert.equal(code, 1);
      assert.match(said, reason);
    };
    held(
      `{"digest":"${"0".repeat(64)}","schemaVersion":3}`,
      new RegExp(`readyz works with another configuration than the one rendered, sha256 ${digest}: {"digest":"000`),
    );
    held(`{"digest":"${digest}","schemaVersion":2}`, /readyz sees version 2 of the schema, and migrate made 3$/);
    held("", /^http:\/\/172\.29\.96\.1:8080\/readyz does not answer 2xx$/);
  });
});

describe("the guard's script", () => {
  it("does nothing when the slot to be filled does not serve", () => {
    const { code, steps } = execute(guardScript("green", slot("blue"), context), { serving: "blue", ready: true });
    assert.equal(code, 0);
    assert.deepEqual(steps, ["take over"]);
  });

  it("puts the recorded slot back in charge when a killed run had flipped already", () => {
    const { code, steps, serving } = execute(guardScript("green", slot("blue"), context), {
      serving: "green",
      ready: true,
    });
    assert.equal(code, 0);
    assert.equal(serving, "blue");
    assert.deepEqual(steps, ["take over", "start audit-svc-blue-1", "start audit-svc-blue-2", "ready", "flip blue"]);
  });

  it("stops the deploy when the recorded slot does not become ready", () => {
    const { code, serving, stderr } = execute(guardScript("green", slot("blue"), context), {
      serving: "green",
      ready: false,
    });
    assert.notEqual(code, 0);
    assert.equal(serving, "green");
    assert.match(stderr, /blue does not become ready; nothing was changed/);
  });

  it("is empty when there is nothing to protect", () => {
    assert.equal(guardScript("blue", undefined, context), "true");
  });
});
