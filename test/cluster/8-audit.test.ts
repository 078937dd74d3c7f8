import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { AuditCommand } from "../e2e/support/audit-command";
import { run, until } from "../e2e/support/sandbox";
import { attached } from "./support/cluster";
import { isReady, namesOf, Releases } from "./support/releases";

interface Line {
  time: string;
  container: string;
  release?: string;
  entry: Record<string, unknown> | string;
}
interface Checked {
  ok: boolean;
  checks: { id: string; level: string; found: string }[];
}

/** What the command `audit` does otherwise for a stack on a cluster; test/e2e/88-audit.test.ts has the rest. */
describe("scenario: the command audit on a cluster", function () {
  this.timeout(180_000);
  const cluster = attached();
  let audit: AuditCommand;
  let releases: Releases;
  before(async () => {
    releases = new Releases(cluster());
    audit = await AuditCommand.of(cluster());
  });
  after(() => releases.close());

  const ready = async (name: string): Promise<string[]> => namesOf((await cluster().pods(name)).filter(isReady));
  const release = async (): Promise<string> => {
    const { active, slots } = await releases.state();
    return slots[active]?.release ?? assert.fail("nothing serves");
  };
  /** Reads events through the edge. @returns the request's id */
  const request = async (): Promise<string> => {
    const authorization = `Bearer ${cluster().get("AUDIT_READ_TOKEN")}`;
    const answer = await fetch(`${cluster().get("AUDIT_URL")}/v1/events?limit=1`, { headers: { authorization } });
    assert.equal(answer.status, 200, await answer.text());
    return answer.headers.get("x-request-id") ?? assert.fail("no X-Request-Id");
  };

  it("finds a request in the logs of the edge and of the pod that answered it", async () => {
    const id = await request();
    // Nginx writes its log once a second.
    const lines = await until("a line of each", 15, async () => {
      const found = await audit.jsonLines<Line>("logs", "--request", id);
      return found.length >= 2 ? found : undefined;
    });
    const [edges, replicas] = [await ready("audit-edge"), await ready("audit-svc")];
    const atEdge = lines.filter(({ container }) => edges.includes(container));
    const inService = lines.filter(({ container }) => replicas.includes(container));
    assert.deepEqual([lines.length, atEdge.length, inService.length], [2, 1, 1], JSON.stringify(lines));
    const { path, status } = atEdge[0]?.entry as Record<string, unknown>;
    assert.deepEqual([path, Number(status)], ["/v1/events", 200]);
    assert.equal((inService[0]?.entry as Record<string, unknown>).msg, "events read");
    assert.equal(inService[0]?.release, await release());

    const unknown = await audit.run(["logs", "--request", "0".repeat(32)]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.output, /no line of edge and service has the request id 0{32}/);
  });

  it("merges the logs of all pods by time, and shows the agents' and the migration's", async () => {
    const replicas = await ready("audit-svc");
    for (const part of ["service", "agent"]) {
      const lines = await audit.jsonLines<Line>("logs", part, "-n", "2");
      const times = lines.map(({ time }) => time);
      assert.deepEqual(times, [...times].sort(), part);
      const pods = new Set(lines.map(({ container }) => container));
      for (const pod of replicas) assert.ok(pods.has(pod), `nothing of ${pod} for ${part}`);
    }
    assert.match(await audit.must("logs", "migrate"), /migrate schema version \d+$/m);
  });

  it("follows the log of the edge, and leaves no kubectl behind", async () => {
    const seen: string[] = [];
    const following = audit.follow(["logs", "edge", "-f", "-n", "7", "--json"], (line) => seen.push(line));
    const kubectl = async (): Promise<string[]> => {
      const { stdout } = await run(["ps", "-e", "-o", "args"]);
      return stdout.split("\n").filter((line) => /^\S*kubectl .*--tail 7 --follow/.test(line));
    };
    let code: number | null;
    try {
      await until("kubectl follows", 30, async () => ((await kubectl()).length > 0 ? true : undefined));
      await sleep(2_000);
      const id = await request();
      await until("the request's line", 15, () =>
        Promise.resolve(seen.some((line) => line.includes(id)) ? true : undefined),
      );
    } finally {
      code = await following.end();
    }
    assert.equal(code, 130);
    await until("kubectl ends", 10, async () => ((await kubectl()).length === 0 ? true : undefined));
  });

  it("runs a command in a pod, and ends as that command does", async () => {
    assert.equal((await audit.must("exec", "--", "printenv", "AUDIT_RELEASE")).trim(), await release());
    assert.equal((await audit.run(["exec", "edge", "--", "sh", "-c", "exit 7"])).code, 7);
    const typed = await audit.run(["exec", "agent"], {}, "echo typed; exit 3\n");
    assert.deepEqual([typed.code, typed.stdout], [3, "typed\n"], typed.output);
    const pod = (await ready("audit-svc")).at(-1) ?? assert.fail("no pod is ready");
    const { stdout } = await audit.run(["exec", pod, "--json", "--", "uname", "-n"]);
    const answer = JSON.parse(stdout) as { container: string; code: number; stdout: string };
    assert.deepEqual([answer.container, answer.code, answer.stdout.trim()], [pod, 0, pod]);
  });

  it("says what is wrong and the cure", async () => {
    const [pod = ""] = await ready("audit-edge");
    const unknown = await audit.run(["exec", "blue-1", "--", "true"]);
    assert.equal(unknown.code, 1, unknown.output);
    assert.match(unknown.output, /no pod blue-1 runs in the cluster; name service, edge, agent, or a pod: there is /);
    assert.ok(unknown.output.includes(pod), unknown.output);
    const blind = { KUBECONFIG: "/dev/null" };
    const why =
      /the cluster \(audit:kubeContext \S+\): .*; the context is looked for in KUBECONFIG, or ~\/\.kube\/config/;
    for (const argv of [["logs"], ["exec", "--", "true"], ["logs", "--json"]]) {
      const { code, output } = await audit.run(argv, blind);
      assert.equal(code, 1, output);
      assert.match(output, why);
    }
  });

  it("shows on one screen what runs, a pod of another release, and that clients cannot reach it", async () => {
    // Prometheus asks for targets every five seconds, and forgets pods that earlier scenarios replaced a little later.
    const screen = await until("a screen without a fault", 60, async () => {
      const { stdout } = await audit.run(["status"]);
      const titles = ["release", "service", "containers", "drift", "config", "vault", "ends", "events", "targets"];
      const missing = titles.filter((title) => !new RegExp(`^${title} +✔ `, "m").test(stdout));
      if (missing.length > 0) throw new Error(`${missing.join(", ")} in\n${stdout}`);
      return stdout;
    });
    assert.match(screen, /^stack cluster /);
    assert.doesNotMatch(screen, /cannot look/);
    const [pod = ""] = await ready("audit-svc");
    const label = (value: string) =>
      cluster().kubectl("label", "pod", "-n", "audit", pod, "--overwrite", `audit/release=${value}`);
    const serving = await release();
    await label("0".repeat(12));
    try {
      const { code, stdout, output } = await audit.run(["status", "--json"]);
      assert.equal(code, 1, output);
      const { drift } = JSON.parse(stdout) as { drift: { differences: string[] } };
      assert.deepEqual(drift.differences, [`${pod} runs release ${"0".repeat(12)}, not ${serving}`]);
    } finally {
      await label(serving);
    }
    const away = await audit.run(["status", "--json"], releases.env({ serviceUrl: "http://127.0.0.1:1" }));
    assert.equal(away.code, 1, away.output);
    const { service, release: shown } = JSON.parse(away.stdout) as Record<string, { level: string; release?: string }>;
    assert.equal(service?.level, "bad");
    assert.equal(shown?.release, serving);
  });

  it("has the doctor look at what a deploy to a cluster needs, and at nothing of a VM", async () => {
    const doctor = async (env: NodeJS.ProcessEnv = {}) => {
      const { code, stdout, output } = await audit.run(["doctor", "--json"], env);
      assert.match(stdout, /^\{/, output);
      const { ok, checks } = JSON.parse(stdout) as Checked;
      assert.equal(code, ok ? 0 : 1);
      return new Map(checks.map(({ id, level, found }) => [id, `${level}: ${found}`]));
    };
    const failures = (checks: ReadonlyMap<string, string>): string[] =>
      [...checks].filter(([, found]) => found.startsWith("failure")).map(([id]) => id);
    const checks = await doctor();
    assert.deepEqual(failures(checks), [], JSON.stringify([...checks]));
    for (const id of ["stack-state", "database-names", "vault-agents", "grafana-login"])
      assert.match(checks.get(id) ?? "", /^ok: /, id);
    // The sandbox's Prometheus has this job in a file of its own.
    assert.match(checks.get("prometheus-job") ?? "", /^warning: .* \(scrape_config_files\), it does not show$/);
    for (const id of ["api", "version", "namespace", "rights"])
      assert.match(checks.get(`cluster-${id}`) ?? "", /^ok: /);
    assert.match(checks.get("vault-cluster") ?? "", /^ok: Vault asks https:\/\/\S+ about pods' tokens$/);
    // This machine does not know the registry's name, which the nodes have.
    assert.match(checks.get("images-image") ?? "", /^(ok|warning): /);
    assert.deepEqual([...checks.keys()].filter((id) => /^(vm|networks)-|-vm$/.test(id)), []); // prettier-ignore
    const wrong = await doctor(releases.env({ vaultKubernetesMount: "nowhere" }));
    assert.deepEqual(failures(wrong), ["vault-agents"]);
  });
});
