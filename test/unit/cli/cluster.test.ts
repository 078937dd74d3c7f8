import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { chosenPod, logsLine, type Pod } from "../../../cli/cluster/pods";
import { showLogs } from "../../../cli/logs/logs";
import type { LogsOptions } from "../../../cli/logs/source";
import { podDifferences } from "../../../cli/status/running";
import { runInContainer } from "../../../cli/vm/exec";
import type { Values } from "../../../config";
import { contextWith } from "./context";

const values = { platform: "kubernetes", kubeContext: "production", kubeNamespace: "audit" } as Values;
const labels = (name: string, release?: string) => ({
  ...{ "app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "audit" },
  ...(release === undefined ? {} : { "audit/release": release }),
});
const status = { phase: "Running" };
/** What makes no difference to a test. */
const well = { phase: "Running", ready: true, restarts: 0 };
const PODS = {
  items: [
    { metadata: { name: "audit-svc-7c-x0", labels: labels("audit-svc"), deletionTimestamp: "now" }, status },
    { metadata: { name: "audit-svc-7c-x1", labels: labels("audit-svc", "a".repeat(12)) }, status },
    { metadata: { name: "audit-svc-7c-x2", labels: labels("audit-svc", "a".repeat(12)) }, status },
    { metadata: { name: "audit-edge-5d-y1", labels: labels("audit-edge") }, status },
  ],
};

/** A kubectl that keeps its arguments and plays one cluster. */
const KUBECTL = `#!/bin/sh
echo "$*" >> "$CALLS"
shift 4
case "$1" in
  get) cat "$PODS" ;;
  logs)
    pod=audit-svc-7c-x2; case "$*" in *name=audit-edge*) pod=audit-edge-5d-y1 ;; esac
    echo "[pod/$pod/service] 2026-11-30T12:00:00.2Z {\\"reqId\\":\\"abc12345\\",\\"msg\\":\\"two\\"}"
    echo "[pod/audit-svc-7c-x1/service] 2026-11-30T12:00:00.1Z one"
    case "$*" in *--follow*) sleep 60 ;; esac ;;
  exec) while [ "$1" != -- ]; do shift; done; shift; exec "$@" ;;
esac
`;

describe("a stack on a cluster", () => {
  const formerly = process.env.PATH;
  let directory = "";
  const calls = (): string[] => readFileSync(join(directory, "calls"), "utf8").trim().split("\n");
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cluster-"));
    writeFileSync(join(directory, "kubectl"), KUBECTL, { mode: 0o755 });
    writeFileSync(join(directory, "pods.json"), JSON.stringify(PODS));
    Object.assign(process.env, {
      PATH: `${directory}:${process.env.PATH ?? ""}`,
      ...{ CALLS: join(directory, "calls"), PODS: join(directory, "pods.json") },
    });
  });
  afterEach(() => {
    process.env.PATH = formerly;
    rmSync(directory, { recursive: true });
  });

  const all: LogsOptions = { part: undefined, follow: false, since: undefined, lines: undefined, request: undefined };
  const logs = async (options: Partial<LogsOptions>) => {
    const { context, printed } = contextWith({ stack: "cluster", values });
    assert.equal(await showLogs({ ...all, ...options }, context), 0);
    return printed.out;
  };

  it("shows its replicas' logs with their releases, merged", async () => {
    const lines = ["12:00:00.1Z 7c-x1 aaaaaaaaaaaa one", "12:00:00.2Z 7c-x2 aaaaaaaaaaaa two reqId=abc12345", ""];
    assert.equal(await logs({}), lines.join("\n"));
    assert.deepEqual(calls(), [
      "--context production --namespace audit get pods --selector app.kubernetes.io/part-of=audit --output json",
      "--context production --namespace audit logs --prefix --timestamps --max-log-requests 200 --tail 50 --selector app.kubernetes.io/name=audit-svc --container service",
    ]);
  });

  it("asks kubectl for a time as it takes it, and for the container of the part", async () => {
    await logs({ part: "agent", since: "10m" });
    assert.match(calls().at(-1) ?? "", /--tail -1 --since=10m --selector app\.kubernetes\.io\/name=audit-svc --container agent$/); // prettier-ignore
    await logs({ part: "edge", since: "2026-01-31", lines: 5 });
    assert.match(calls().at(-1) ?? "", /--tail 5 --since-time=2026-01-31T00:00:00\.000Z --selector app\.kubernetes\.io\/name=audit-edge --container nginx$/); // prettier-ignore
  });

  it("shows one request at the edge and in the service", async () => {
    const lines = (await logs({ request: "abc12345" })).trim().split("\n");
    assert.deepEqual(lines.map((line) => line.split(" ")[1]).sort(), ["7c-x2", "edge-5d-y1"]);
    await assert.rejects(logs({ request: "audit-svc-7c-x1" }), /no line of edge and service has the request id/);
  });

  it("follows until its caller ends", async () => {
    const line = logsLine(values, ["service"], { follow: true, since: undefined, lines: 0 });
    const child = spawn("sh", ["-c", line], { detached: true });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    while (!printed.includes("audit-svc-7c-x1")) await sleep(20);
    child.stdin.end();
    await once(child, "exit");
    const group = spawnSync("ps", ["-o", "args", "-g", String(child.pid)], { encoding: "utf8" }).stdout;
    assert.doesNotMatch(group, /sleep 60/);
  });

  it("runs a command in a pod, and hands on its exit code", async () => {
    const { context, printed } = contextWith({ stack: "cluster", values }, { json: true });
    assert.equal(await runInContainer("edge", ["sh", "-c", "echo two words; exit 3"], context), 3);
    const command = ["sh", "-c", "echo two words; exit 3"];
    assert.deepEqual(JSON.parse(printed.out), { container: "audit-edge-5d-y1", command, code: 3, stdout: "two words" });
    assert.match(calls()[1] ?? "", / exec audit-edge-5d-y1 --container nginx -- sh -c echo two words; exit 3$/);
    assert.equal(await runInContainer(undefined, ["sh", "-c", "exit 7"], contextWith({ values }).context), 7);
    assert.match(calls().at(-1) ?? "", / exec -i audit-svc-7c-x1 --container service -- sh -c exit 7$/);
  });

  it("takes a part or a pod by its name, and names those that there are", () => {
    const pods: Pod[] = PODS.items.map(({ metadata: { name } }) => ({ name, workload: name.slice(0, name.indexOf("-", 6)), running: !name.endsWith("x0"), ...well })); // prettier-ignore
    assert.deepEqual(chosenPod(pods, "agent"), { pod: "audit-svc-7c-x1", container: "agent" });
    assert.deepEqual(chosenPod(pods, "audit-edge-5d-y1"), { pod: "audit-edge-5d-y1", container: "nginx" });
    assert.throws(() => chosenPod(pods, "blue-1"), /no pod blue-1 runs in the cluster; name service, edge, agent, or a pod: there is audit-svc-7c-x1, /); // prettier-ignore
    assert.throws(() => chosenPod([], undefined), /there is nothing/);
  });

  it("shows what pods run otherwise than the last deploy left them", () => {
    const [release, other] = ["a".repeat(12), "b".repeat(12)];
    const slots = { blue: { release, image: "i", replicas: 2, memory: 256, reloadOn: "admin" as const } };
    const pod = (name: string, workload: string, id?: string, running = true): Pod => ({ name, workload, running, ...well, ...(id === undefined ? {} : { release: id }) }); // prettier-ignore
    const edge = pod("e1", "audit-edge");
    const serving = [pod("s1", "audit-svc", release), pod("s2", "audit-svc", release)];
    const differences = (pods: readonly Pod[]) => podDifferences(pods, { active: "blue", slots });
    assert.deepEqual(differences([edge, ...serving, pod("s3", "audit-svc", release)]), []);
    assert.deepEqual(differences([edge, ...serving.slice(1), pod("s1", "audit-svc", release, false)]), [
      "1 replicas run, the last deploy left 2",
    ]);
    assert.deepEqual(differences([...serving, pod("s3", "audit-svc", other), pod("s4", "audit-svc")]), [
      `s3 runs release ${other}, not ${release}`,
      `s4 runs release ?, not ${release}`,
      "no pod of audit-edge runs",
    ]);
    assert.deepEqual(podDifferences([], undefined), []);
  });

  it("says what kubectl says when it does not reach the cluster", async () => {
    writeFileSync(join(directory, "kubectl"), "#!/bin/sh\necho 'error: context \"production\" does not exist' >&2\nexit 1\n"); // prettier-ignore
    const cause =
      /^Error: the cluster \(audit:kubeContext production\): error: context "production" does not exist; the context is looked for in KUBECONFIG/;
    await assert.rejects(showLogs(all, contextWith({ values }).context), cause);
    await assert.rejects(runInContainer(undefined, [], contextWith({ values }).context), cause);
  });
});
