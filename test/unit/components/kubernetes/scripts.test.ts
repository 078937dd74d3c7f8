import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { targets } from "../../../../dashboards";
import { fakeClock, fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

const config = '{\n  "database": {\n    "password": "one",\n    "port": 5432\n  }\n}\n';
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("the scripts of a cluster", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "cluster-"));
    writeFileSync(at("config.json"), config);
    fakeClock(directory);
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  const script = (
    name: string,
    args: readonly (string | number)[],
    environment: Record<string, string> = {},
    input = "",
  ) => runScript(`../kubernetes/scripts/${name}`, args, { directory, environment, input });

  describe("gate.sh", () => {
    const gate = (answer: string, schema = "4") => {
      fakeProgram(directory, "wget", answer);
      const environment = {
        AUDIT_READY_URL: "http://x/readyz",
        AUDIT_RENDERED_FILE: at("config.json"),
        AUDIT_SCHEMA: schema,
      };
      return script("gate.sh", [], environment);
    };
    const ready = (digest: string, version: number) => `echo '{"digest":"${digest}","schemaVersion": ${version}}'`;

    it("lets a pod have requests that works with the file as rendered, and the schema as migrated", () => {
      assert.equal(gate(ready(sha256(config), 4)).status, 0);
    });

    it("takes an image at its word that reports neither, and asks for no version where migrate told none", () => {
      assert.equal(gate("echo ok").status, 0);
      rmSync(at("passed"));
      assert.equal(gate(ready(sha256(config), 1), "").status, 0);
    });

    it("says what is missing", () => {
      const silent = gate('echo "connection refused"; exit 1');
      assert.deepEqual(
        [silent.status, silent.stdout],
        [1, "http://x/readyz does not answer 2xx: connection refused\n"],
      );
      const other = gate(ready("00", 4));
      assert.equal(other.status, 1);
      assert.match(
        other.stdout,
        new RegExp(`^the service works with another configuration .* sha256 ${sha256(config)}: `),
      );
      const old = gate(ready(sha256(config), 3));
      assert.deepEqual([old.status, old.stdout], [1, "the service sees version 3 of the schema, and migrate made 4\n"]);
    });

    it("has no say any more once it was passed: a later configuration that the service refuses must not take it away", () => {
      assert.equal(gate(ready(sha256(config), 4)).status, 0);
      assert.equal(gate(ready("00", 1)).status, 0);
    });
  });

  describe("confirm-pod.sh", () => {
    const confirm = (...args: string[]) => {
      writeFileSync(at("reload.sh"), "echo asked; exit 7\n");
      // As in a pod: a file beside reload.sh.
      writeFileSync(at("confirm-pod.sh"), readFileSync("components/kubernetes/scripts/confirm-pod.sh"));
      const { status, stdout, stderr } = spawnSync("sh", [at("confirm-pod.sh"), ...args], {
        env: { ...process.env, PATH: `${directory}:${process.env.PATH ?? ""}`, AUDIT_RENDERED_FILE: at("config.json") },
        encoding: "utf8",
      });
      return { status, stdout, stderr };
    };

    it("asks the service once the file is the one wanted", () => {
      const { status, stdout } = confirm(sha256(config), "");
      assert.deepEqual([status, stdout], [7, "asked\n"]);
    });

    it("leaves out what Vault has made", () => {
      const without = config.replace('    "password": "one",\n', "");
      assert.equal(confirm(sha256(without), '^ {4}"(password|user)": ').status, 7);
    });

    it("says so when the agent does not render it in time", () => {
      const { status, stderr } = confirm("00", "");
      assert.deepEqual([status, stderr], [1, "the agent has not rendered the secret of this deploy within 60 s\n"]);
    });
  });

  describe("targets.sh", () => {
    const environment = {
      AUDIT_ADDRESS: "audit.example.test:9145",
      AUDIT_ENVIRONMENT: "cluster",
      AUDIT_SERVICE_PODS: "audit-svc-pods",
      AUDIT_EDGE_PODS: "audit-edge-pods",
      AUDIT_SERVICE_PORT: "8080",
      AUDIT_SECONDS: "5",
      AUDIT_ONCE: "yes",
    };
    /** @param dns lines of `getent ahostsv4`, by name */
    const list = (dns: Record<string, string[]>, others = "", edgeAgents = "") => {
      const cases = Object.entries(dns).map(
        ([name, ips]) =>
          `${name}) ${ips.map((ip) => `echo "${ip}  STREAM ${name}"; echo "${ip}  DGRAM"`).join("; ") || "exit 2"} ;;`,
      );
      fakeProgram(directory, "getent", `case "$2" in ${cases.join(" ")} esac`);
      fakeProgram(directory, "nslookup", "exit 1");
      fakeProgram(
        directory,
        "wget",
        `for url in "$@"; do :; done; echo "$url" >> ${at("asked")}; case "$url" in *10.244.1.5*) echo 'audit_build_info{version="1",release="0123456789ab"} 1' ;; *) exit 1 ;; esac`,
      );
      const ran = script("targets.sh", [], {
        ...environment,
        AUDIT_TARGETS_FILE: at("targets.json"),
        AUDIT_OTHERS: others,
        AUDIT_EDGE_AGENTS: edgeAgents,
      });
      assert.equal(ran.status, 0, ran.stderr);
      return existsSync(at("targets.json"))
        ? (JSON.parse(readFileSync(at("targets.json"), "utf8")) as unknown)
        : undefined;
    };

    it("lists the pods that DNS has, by the labels that a deploy to a VM writes", () => {
      const found = list(
        { "audit-svc-pods": ["10.244.2.7", "10.244.1.5"], "audit-edge-pods": ["10.244.2.8"] },
        "certificate",
      );
      const labels = (path: string, end: string, job: string, more: object = {}) => ({
        targets: ["audit.example.test:9145"],
        labels: {
          __metrics_path__: path,
          application: "audit-svc",
          environment: "cluster",
          instance: `audit.example.test:9145${end}`,
          job,
          ...more,
        },
      });
      assert.deepEqual(found, [
        labels("/metrics/service/10.244.1.5", "/10.244.1.5", "audit-svc", {
          ...{ release: "0123456789ab", replica: "10.244.1.5" },
        }),
        labels("/metrics/service/10.244.2.7", "/10.244.2.7", "audit-svc", {
          release: "unknown",
          replica: "10.244.2.7",
        }),
        labels("/metrics/nginx/10.244.2.8", "/nginx/10.244.2.8", "nginx", { replica: "nginx-10.244.2.8" }),
        ...["10.244.1.5", "10.244.2.7"].map((pod) =>
          labels(`/metrics/agent/${pod}`, `/agent/${pod}`, "audit-agent", { replica: pod }),
        ),
        labels("/metrics/certificate", "/certificate", "audit-certificate"),
      ]);
      const onVm = targets({
        ...{ address: "a:1", environment: "vm", release: "r", others: ["certificate"] },
        replicas: [{ name: "b", release: "r" }],
      });
      const keys = (groups: unknown) =>
        (groups as { labels: Record<string, string> }[]).map(({ labels: { job, ...rest } }) => [
          job,
          Object.keys(rest).sort(),
        ]);
      const named = keys(JSON.parse(onVm)).map(([job, names]) => [
        job,
        (names as string[]).filter((n) => n !== "release" || job !== "nginx"),
      ]);
      assert.deepEqual(
        keys(found).filter(([job], i) => i !== 1 && job !== "audit-agent"),
        named,
      );
    });

    it("lists the agents of Nginx's pods where these have any", () => {
      const pods = { "audit-svc-pods": ["10.244.1.5"], "audit-edge-pods": ["10.244.2.8"] };
      const agents = (edgeAgents: string) =>
        (list(pods, "", edgeAgents) as { labels: Record<string, string> }[])
          .filter(({ labels }) => labels.job === "audit-agent")
          .map(({ labels }) => [labels.__metrics_path__, labels.instance, labels.replica]);
      const ofService = ["/metrics/agent/10.244.1.5", "audit.example.test:9145/agent/10.244.1.5", "10.244.1.5"];
      assert.deepEqual(agents(""), [ofService]);
      assert.deepEqual(agents("yes"), [
        ofService,
        ["/metrics/agent/10.244.2.8", "audit.example.test:9145/agent/10.244.2.8", "nginx-10.244.2.8"],
      ]);
    });

    it("asks a pod for its release once, and an address again that was somebody else's", () => {
      const dns = { "audit-svc-pods": ["10.244.1.5"], "audit-edge-pods": ["10.244.2.8"] };
      list(dns);
      list(dns);
      assert.equal(readFileSync(at("asked"), "utf8").trim().split("\n").length, 1);
      list({ ...dns, "audit-svc-pods": [] });
      list(dns);
      assert.equal(readFileSync(at("asked"), "utf8").trim().split("\n").length, 2);
    });

    it("keeps the list when DNS does not answer", () => {
      const dns = { "audit-svc-pods": ["10.244.1.5"], "audit-edge-pods": [] };
      const before = list(dns);
      assert.deepEqual(list({ "audit-svc-pods": [], "audit-edge-pods": [] }), before);
    });
  });

  describe("by kubectl", () => {
    /** Has kubectl answer by what it is asked, its words joined; the first pattern that fits decides. */
    const kubectl = (...answers: [pattern: string, program: string][]) => {
      const cases = answers.map(([pattern, program]) => `*"${pattern}"*) ${program} ;;`).join(" ");
      fakeProgram(directory, "kubectl", `echo "$*" >> ${at("asked")}; case "$*" in ${cases} esac`);
    };
    const asked = () => readFileSync(at("asked"), "utf8");

    it("rollout.sh is done once the Deployment is", () => {
      kubectl(["rollout status", "echo successfully rolled out"]);
      assert.deepEqual(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }), {
        status: 0,
        stdout: "",
        stderr: "",
      });
    });

    it("rollout.sh says why pods are not ready, in their own words", () => {
      kubectl(
        ["rollout status", "echo 'error: exceeded its progress deadline' >&2; exit 1"],
        ["ReplicaFailure", ""],
        ["get pods --selector a=b --output name", "echo pod/audit-svc-1"],
        ["get pod/audit-svc-1", "echo 'service: CrashLoopBackOff back-off 10s, 2 restarts. '"],
        ["get events", "echo 'Unhealthy: HTTP probe failed'"],
        ["logs pod/audit-svc-1", "echo '[service] no such table'"],
      );
      const { status, stderr } = script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" });
      assert.equal(status, 1);
      assert.equal(
        stderr,
        [
          "--- pod/audit-svc-1: service: CrashLoopBackOff back-off 10s, 2 restarts. ",
          "Unhealthy: HTTP probe failed",
          "[service] no such table",
          "audit-svc is not replaced: its pods are not ready within 5 s; their state and last lines are above (error: exceeded its progress deadline). What served before keeps serving.",
          "",
        ].join("\n"),
      );
    });

    it("rollout.sh tells a quota and an image apart from a service that does not start", () => {
      const failed = ["rollout status", "echo 'error: exceeded its progress deadline' >&2; exit 1"] as [string, string];
      kubectl(failed, ["ReplicaFailure", "echo 'exceeded quota: small'"]);
      assert.match(
        script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).stderr,
        /^audit-svc is not replaced: the cluster refuses its pods: exceeded quota: small \(/,
      );
      kubectl(
        failed,
        ["ReplicaFailure", ""],
        ["get pods --selector a=b --output name", "echo pod/audit-svc-1"],
        ["get pod/audit-svc-1", "echo 'service: ImagePullBackOff not found, 0 restarts. '"],
      );
      assert.match(
        script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).stderr,
        /audit-svc is not replaced: an image cannot be pulled: is it there, and may the login of the login read it\?/,
      );
    });

    it("rollout.sh does not wait for ever for a first pod that the cluster refuses, but for slow pods as long as Kubernetes does", () => {
      const waiting = ["rollout status", "echo 'error: timed out waiting for the condition' >&2; exit 1"] as [
        string,
        string,
      ];
      kubectl(waiting, ["ReplicaFailure", "echo 'exceeded quota: small'"]);
      const refused = script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" });
      assert.match(
        refused.stderr,
        /^audit-svc is not replaced: the cluster refuses its pods: exceeded quota: small \(/,
      );
      assert.doesNotMatch(asked(), /delete pod/);
      const looks = `[ "$(grep -c 'rollout status' ${at("asked")})" -gt 20 ]`;
      rmSync(at("asked"));
      kubectl(["rollout status", `${looks} || { ${waiting[1]}; }`], ["ReplicaFailure", ""]);
      assert.equal(script("rollout.sh", ["audit-svc", "a=b", 5, "kubectl"], { SETTING: "the login" }).status, 0);
    });

    it("migrate.sh gives the Job its configuration by standard input, and prints what it printed", () => {
      kubectl(
        ["create --filename", `cat > ${at("manifest")}`],
        ["attach", `cat > ${at("given")}; touch ${at("done")}`],
        ["{{.status.phase}}", `if [ -e ${at("done")} ]; then echo Succeeded; else echo Running; fi`],
        ["logs", "echo 'schema version 4'"],
      );
      const ran = script(
        "migrate.sh",
        ["audit-svc-migrate", 900, "kubectl"],
        { MANIFEST: "{job}" },
        "the configuration",
      );
      assert.deepEqual(ran, { status: 0, stdout: "schema version 4\n", stderr: "" });
      assert.equal(readFileSync(at("manifest"), "utf8"), "{job}");
      assert.equal(readFileSync(at("given"), "utf8"), "the configuration");
      const verbs = asked()
        .trim()
        .split("\n")
        .map((line) => line.split(" ")[0]);
      assert.equal(verbs[0], "delete");
      assert.equal(verbs.at(-1), "delete");
      assert.doesNotMatch(asked(), /the configuration/);
    });

    it("migrate.sh fails with the Job's last lines", () => {
      kubectl(["{{.status.phase}}", "echo Failed"], ["logs", "echo 'column is missing'"]);
      const { status, stderr } = script("migrate.sh", ["m", 900, "kubectl"], { MANIFEST: "{}" });
      assert.deepEqual(
        [status, stderr],
        [1, "column is missing\nthe migration failed; its last lines are above. What served before keeps serving.\n"],
      );
    });

    it("migrate.sh says at once what keeps the Job from starting", () => {
      kubectl(["{{.status.phase}}", "echo Pending"], ["state.waiting", "echo 'ImagePullBackOff: no such image'"]);
      assert.equal(
        script("migrate.sh", ["m", 900, "kubectl"], { MANIFEST: "{}" }).stderr,
        "the image cannot be pulled: ImagePullBackOff: no such image. Nothing was migrated.\n",
      );
      kubectl(["{{.status.phase}}", ""], ["get events", "echo 'exceeded quota: small'"]);
      assert.equal(
        script("migrate.sh", ["m", 900, "kubectl"], { MANIFEST: "{}" }).stderr,
        "the cluster refuses the migration's pod: exceeded quota: small. Nothing was migrated.\n",
      );
    });

    it("confirm.sh asks every pod, and does without one that has gone meanwhile", () => {
      kubectl(["{{if not ", "echo one; echo two"], ["exec one", ""], ["exec two", "exit 1"], ["get pod two", "exit 1"]);
      assert.equal(script("confirm.sh", ["audit-svc", "agent", "00", "left out", "kubectl"]).status, 0);
      assert.match(asked(), /^exec one --container agent -- sh \/agent\/confirm-pod\.sh 00 left out$/m);
    });

    it("confirm.sh first lets pods end, whose login may go afterwards", () => {
      const ending = `{ [ -e ${at("ended")} ] || echo old; : > ${at("ended")}; }`;
      kubectl(["{{if .metadata.deletionTimestamp", ending], ["{{if not ", "echo new"]);
      assert.equal(script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]).status, 0);
      assert.match(asked(), /^(get pods [^]*?\{\{if \.metadata[^]*?){2}get pods [^]*\{\{if not [^]*exec new /);
    });

    it("confirm.sh names the pod that has not confirmed", () => {
      kubectl(["{{if not ", "echo one; echo two"], ["exec one", "echo 'reload: not confirmed' >&2; exit 1"]);
      const { status, stderr } = script("confirm.sh", ["audit-svc", "agent", "00", "", "kubectl"]);
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "--- one: reload: not confirmed\nnot confirmed by: one. Nothing was locked, and the former login still works.\n",
      );
    });

    it("wait-address.sh says so when the balancer gives no address", () => {
      kubectl(["get events", "echo 'SyncLoadBalancerFailed: no pool'"]);
      assert.equal(
        script("wait-address.sh", ["audit-edge", 5, "kubectl"], { SETTING: "the choice", DEADLINE: "the time" }).stderr,
        "SyncLoadBalancerFailed: no pool\nthe cluster's balancer has given audit-edge no address within 5 s. Is there one in this cluster? Without one, set the choice to nodePort; if it takes longer, raise the time.\n",
      );
    });
  });
});
