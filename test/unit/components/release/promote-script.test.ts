import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  drainScript,
  promoteScript,
  recoverScript,
  type SlotReplicas,
} from "../../../../components/release/promote-script";
import type { PromotionContext } from "../../../../components/release/switch-helper";
import { fakeClock, fakeProgram } from "../../support/fake-programs";

const context: PromotionContext = {
  tools: "tools@sha256:0",
  frontNetwork: "audit-front",
  markerVolume: "audit-svc-release",
  readyDeadline: 1,
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

const promote = (target: SlotReplicas) =>
  promoteScript(
    {
      target,
      gate: { config: { volume: "rendered", file: "config.json", group: "10001" }, schemaVersion: 3 },
      pids: 256,
    },
    context,
  );
const drainBlue = drainScript({ target: "green", other: slot("blue"), drainSeconds: 2 }, context);

interface Vm {
  serving: "blue" | "green";
  /** Names of the replicas that never get ready; default none. */
  unfit?: readonly string[];
  /** Name of a replica that Docker does not start. */
  stuck?: string;
  /** Another deploy takes over while this one starts its first replica, or drains. */
  superseded?: boolean;
  /** Number of restarts that Docker reports for the replicas; default none. */
  restarts?: number;
  ooms?: number;
  /** Default 2. */
  cores?: number;
  lost?: string;
  /** State of the replicas in Docker; default "exited". */
  status?: string;
}

/**
 * Runs a script on a fake VM whose `docker` records its commands. The helper's one-shot is the real script, with its
 * volumes in a directory; a replica answers once it is started.
 */
function execute(script: string, vm: Vm) {
  const directory = mkdtempSync(join(tmpdir(), "promote-"));
  const at = (name: string): string => join(directory, name);
  for (const name of ["marker", "config", "started"]) mkdirSync(at(name));
  writeFileSync(at("config/config.json"), "{}");
  writeFileSync(at("log"), "");
  if (vm.serving === "green") writeFileSync(at("marker/green"), "");
  const running = ["blue-1", "blue-2", "green-1", "green-2"]
    .map((of) => `audit-svc-${of}`)
    .filter((c) => c !== vm.lost);
  const program = (name: string, text: string): void => fakeProgram(directory, name, text);
  fakeClock(directory);
  if (vm.superseded) program("sleep", `echo another > ${at("marker/owner")}`);
  program("nproc", `echo ${vm.cores ?? 2}`);
  program(
    "wget",
    `for url in "$@"; do :; done
n=\${url#http://172.29.96.}; n=\${n%%:*}
for slot in blue green; do [ -e ${at("started")}/audit-svc-$slot-$n ] && { echo '{"status":"ready","schemaVersion":3}'; exit 0; }; done
echo "wget: can't connect" >&2; exit 1
`,
  );
  program(
    "docker",
    `case "$*" in
  run*) while [ "$1" != -c ]; do shift; done
    exec sh -c "$2" "$3" "${directory}$4" "\${5:+${directory}$5}" "$6" "$7" ;;
  logs*) echo "last words"; exit 0 ;;
  "container ls"*) printf '%s\\n' ${running.join(" ")}; exit 0 ;;
  events*) ${vm.ooms === undefined ? ":" : "echo x"}; exit 0 ;;
  inspect*"RestartCount}} restarts"*) echo running; exit 0 ;;
  inspect*RestartCount*) if [ -s ${at("log")} ] && tail -n 1 ${at("log")} | grep -q ^start; then echo ${vm.restarts ?? 0}; else echo 0; fi; exit 0 ;;
  inspect*Memory*) echo 67108864; exit 0 ;;
  inspect*) echo ${vm.status ?? "exited"}; exit 0 ;;
esac
if [ -e ${at("marker/green")} ]; then serving=green; else serving=blue; fi
echo "$*, while $serving serves" >> ${at("log")}
case "$*" in
  "start ${vm.stuck ?? "none"}") echo "no such network" >&2; exit 1 ;;
  start*|unpause*|restart*) ${vm.superseded ? `echo another > ${at("marker/owner")}` : ":"}
    case " ${(vm.unfit ?? []).join(" ")} " in *" $2 "*) ;; *) : > ${at("started")}/"$2" ;; esac ;;
esac
`,
  );
  const ran = spawnSync("sh", ["-c", script], {
    env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}`, TMPDIR: directory },
    encoding: "utf8",
    timeout: 30_000,
  });
  const lines = readFileSync(at("log"), "utf8").split("\n").filter(Boolean);
  // Replicas stop concurrently, here without a pause between them, so the order varies.
  const stops = lines.filter((line) => line.startsWith("stop")).sort();
  const steps = lines.map((line) => (line.startsWith("stop") ? (stops.shift() ?? line) : line));
  const serving = existsSync(at("marker/green")) ? "green" : "blue";
  rmSync(directory, { recursive: true });
  return { code: ran.status, stderr: ran.stderr, stdout: ran.stdout, steps, serving };
}

describe("the script that promotes a slot", () => {
  it("starts one replica after another in the background, then promotes the slot", () => {
    const { code, stdout, steps, serving, stderr } = execute(promote(slot("green")), { serving: "blue" });
    assert.equal(code, 0, stderr);
    assert.equal(serving, "green");
    assert.deepEqual(steps, [
      "update --cpu-shares 128 --pids-limit 256 audit-svc-green-1 audit-svc-green-2, while blue serves",
      "start audit-svc-green-1, while blue serves",
      "start audit-svc-green-2, while blue serves",
      "update --cpu-shares 1024 audit-svc-green-1 audit-svc-green-2, while blue serves",
    ]);
    assert.equal(stdout, "slot green serves\n");
  });

  for (const [status, command] of [
    ["paused", "unpause"],
    ["restarting", "restart"],
    ["created", "start"],
  ] as const) {
    it(`starts a replica again that is ${status}`, () => {
      const { code, steps, stderr } = execute(promote(slot("blue")), { serving: "blue", status });
      assert.equal(code, 0, stderr);
      assert.equal(steps[1], `${command} audit-svc-blue-1, while blue serves`);
    });
  }

  it("changes nothing in a slot that is active already, and leaves the marker alone", () => {
    for (const name of ["blue", "green"] as const) {
      const { code, steps, serving, stderr } = execute(promote(slot(name)), { serving: name });
      assert.equal(code, 0, stderr);
      assert.equal(serving, name);
      assert.match(steps[0] ?? "", /^update --cpu-shares 1024 --pids-limit 256/);
    }
  });

  it("does not start the second replica before the first is ready", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-green-1"] } as const;
    const { steps } = execute(promote(slot("green")), vm);
    assert.ok(!steps.some((step) => step.startsWith("start audit-svc-green-2")), steps.join("; "));
  });

  it("starts more at a time on a machine with more cores", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-green-1"], cores: 4 } as const;
    const { steps } = execute(promote(slot("green")), vm);
    assert.ok(
      steps.some((step) => step.startsWith("start audit-svc-green-2")),
      steps.join("; "),
    );
    assert.equal(execute(promote(slot("green")), { serving: "blue", cores: 1 }).code, 0);
  });

  it("does not promote a slot that is not ready: says why, stops it, and leaves the other active", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-green-2"] } as const;
    const { code, steps, serving, stderr } = execute(promote(slot("green")), vm);
    assert.notEqual(code, 0);
    assert.equal(serving, "blue");
    assert.deepEqual(
      steps.filter((step) => step.startsWith("stop")),
      ["stop --time 5 audit-svc-green-1, while blue serves", "stop --time 5 audit-svc-green-2, while blue serves"],
    );
    assert.match(stderr, /--- audit-svc-green-1: running; its last lines:\nlast words/);
    assert.match(
      stderr,
      /slot green is not ready \(within 1 s: http:\/\/172.29.96.2:8080\/readyz does not answer 2xx: wget: can't connect\); slot blue keeps serving/,
    );
  });

  it("gives up a replica that keeps restarting, long before its deadline", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-green-1"], restarts: 5 } as const;
    const { code, stderr } = execute(promote(slot("green")), vm);
    assert.notEqual(code, 0);
    assert.match(stderr, /slot green is not ready \(audit-svc-green-1 has ended 5 times: http\S+ does not answer 2xx/);
  });

  it("says which container Docker does not start, and why", () => {
    const { code, serving, stderr } = execute(promote(slot("green")), {
      serving: "blue",
      stuck: "audit-svc-green-2",
    });
    assert.notEqual(code, 0);
    assert.equal(serving, "blue");
    assert.match(stderr, /^no such network$/m);
    assert.match(
      stderr,
      /slot green is not ready \(container audit-svc-green-2 does not start\); slot blue keeps serving/,
    );
  });

  it("says that a replica was killed because it was out of memory", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-green-1"], ooms: 1 } as const;
    const { stderr } = execute(promote(slot("green")), vm);
    assert.match(stderr, /--- audit-svc-green-1: running, killed: out of memory at its limit of 64 MiB; its last/);
  });

  it("neither promotes nor stops anything once a newer deploy has begun", () => {
    for (const unfit of [[], ["audit-svc-green-1"]]) {
      const { code, steps, serving, stderr } = execute(promote(slot("green")), {
        serving: "blue",
        unfit,
        superseded: true,
      });
      assert.notEqual(code, 0);
      assert.equal(serving, "blue");
      assert.ok(!steps.some((step) => step.startsWith("stop")), steps.join("; "));
      assert.match(stderr, /superseded by a newer deploy/);
    }
  });

  it("never stops the active slot, even if that is the one that is not ready", () => {
    const vm = { serving: "blue", unfit: ["audit-svc-blue-1"] } as const;
    const { code, steps } = execute(promote(slot("blue")), vm);
    assert.notEqual(code, 0);
    assert.ok(!steps.some((step) => step.startsWith("stop")));
  });

  it("fails when the one-shot beside it cannot run", () => {
    const script = promote(slot("green")).replace(" promote.sh docker run ", " promote.sh false ");
    const { code, steps } = execute(script, { serving: "blue" });
    assert.notEqual(code, 0);
    assert.deepEqual(steps, []);
  });
});

describe("the script that drains a slot", () => {
  it("stops the replicas of the former slot", () => {
    const { code, stdout, steps, serving, stderr } = execute(drainBlue, { serving: "green" });
    assert.equal(code, 0, stderr);
    assert.equal(serving, "green");
    assert.deepEqual(steps, [
      "stop --time 30 audit-svc-blue-1, while green serves",
      "stop --time 30 audit-svc-blue-2, while green serves",
    ]);
    assert.equal(stdout, "slot blue is drained and kept for a rollback\n");
  });

  it("stops what is left of the other slot: a killed deploy may have removed one of its containers", () => {
    const vm = { serving: "green", lost: "audit-svc-blue-1" } as const;
    const { code, steps } = execute(drainBlue, vm);
    assert.equal(code, 0);
    assert.deepEqual(
      steps.filter((step) => step.startsWith("stop")),
      ["stop --time 30 audit-svc-blue-2, while green serves"],
    );
  });

  it("stops nothing of a slot that is active again", () => {
    const { code, steps, stderr } = execute(drainBlue, { serving: "blue" });
    assert.notEqual(code, 0);
    assert.deepEqual(steps, []);
    assert.match(stderr, /superseded by a newer deploy/);
  });

  it("stops nothing once a newer deploy has begun", () => {
    const { code, steps, stderr } = execute(drainBlue, { serving: "green", superseded: true });
    assert.notEqual(code, 0);
    assert.deepEqual(steps, []);
    assert.match(stderr, /superseded by a newer deploy/);
  });
});

describe("the script that recovers the active slot", () => {
  it("does nothing when the slot to be filled is not active", () => {
    const { code, steps, stderr } = execute(recoverScript("green", slot("blue"), context), { serving: "blue" });
    assert.equal(code, 0, stderr);
    assert.deepEqual(steps, []);
  });

  it("promotes the recorded slot again when a killed run had promoted the other already", () => {
    const { code, steps, serving, stderr } = execute(recoverScript("green", slot("blue"), context), {
      serving: "green",
    });
    assert.equal(code, 0, stderr);
    assert.equal(serving, "blue");
    assert.deepEqual(steps, [
      "start audit-svc-blue-1, while green serves",
      "start audit-svc-blue-2, while green serves",
    ]);
  });

  it("stops the deploy when the recorded slot does not become ready", () => {
    const { code, serving, stderr } = execute(recoverScript("green", slot("blue"), context), {
      serving: "green",
      unfit: ["audit-svc-blue-1"],
    });
    assert.notEqual(code, 0);
    assert.equal(serving, "green");
    assert.match(stderr, /blue does not become ready \(within 1 s: .*\); nothing was changed/);
  });

  it("is empty when there is nothing to protect", () => {
    assert.equal(recoverScript("blue", undefined, context), "true");
  });
});
