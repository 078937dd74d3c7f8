import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { targets } from "../../../../dashboards";
import { clusterScripts } from "../../support/cluster-scripts";
import { fakeProgram } from "../../support/fake-programs";

const config = '{\n  "database": {\n    "password": "one",\n    "port": 5432\n  }\n}\n';
const INFO = `echo 'audit_build_info{version="1",release="0123456789ab"} 1'`;
const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

describe("the scripts in a cluster's pods", () => {
  const { directory, at, script } = clusterScripts();
  beforeEach(() => writeFileSync(at("config.json"), config));

  /** Has `wget` do something in the tries with these numbers, and answer nothing in the others. */
  const wget = (does: string, ...tries: number[]) => {
    rmSync(at("tries"), { force: true });
    const count = `echo >> ${at("tries")}; n=$(wc -l < ${at("tries")})`;
    fakeProgram(directory(), "wget", `${count}; case " ${tries.join(" ")} " in *" "$((n))" "*) ${does}; esac`);
  };
  const tried = () => readFileSync(at("tries"), "utf8").length;

  describe("gate.sh", () => {
    const gate = (answer: string, schema = "4") => {
      fakeProgram(directory(), "wget", answer);
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
        env: {
          ...process.env,
          PATH: `${directory()}:${process.env.PATH ?? ""}`,
          AUDIT_RENDERED_FILE: at("config.json"),
        },
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

  describe("trial.sh", () => {
    /** @param answered numbers of the tries that get an answer */
    const trial = (kind: string, ...answered: number[]) => {
      wget("echo 400", ...answered);
      const { status } = script("trial.sh", [kind], { KUBERNETES_SERVICE_HOST: "h", KUBERNETES_SERVICE_PORT: "1" });
      return [status, tried()];
    };

    it("takes one answer for open", () => {
      assert.deepEqual(trial("open", 3), [0, 3]);
      assert.deepEqual(trial("open"), [1, 15]);
    });

    it("takes five tries in a row without an answer for closed, not fewer", () => {
      assert.deepEqual(trial("closed"), [0, 5]);
      assert.deepEqual(trial("closed", 2, 5), [0, 10]);
      assert.deepEqual(trial("closed", 1, 5, 10, 15), [1, 15]);
    });
  });

  describe("wait-service.sh", () => {
    /** @param refused numbers of the tries that are refused */
    const wait = (...refused: number[]) => {
      wget("exit 1", ...refused);
      const { status } = script("wait-service.sh", ["http://audit-svc:8080/healthz", 60]);
      return [status, tried()];
    };

    it("goes on after twenty answers in a row: each may be another pod's", () => {
      assert.deepEqual(wait(), [0, 20]);
    });

    it("starts to count again after a try that is refused", () => {
      assert.deepEqual(wait(1, 2, 12), [0, 32]);
    });

    it("goes on when the time is over", () => {
      fakeProgram(directory(), "wget", `echo "$*" >> ${at("asked")}; exit 1`);
      const { status } = script("wait-service.sh", ["http://audit-svc:8080/healthz", 10]);
      assert.equal(status, 0);
      const asked = readFileSync(at("asked"), "utf8").trim().split("\n");
      assert.equal(asked[0], "-q -T 1 -O /dev/null http://audit-svc:8080/healthz");
      assert.equal(asked.length, 18, "by the clock, which goes on by half a second with each look");
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
    const list = (dns: Record<string, string[]>, others = "", edgeAgents = "", metrics = INFO) => {
      const cases = Object.entries(dns).map(
        ([name, ips]) =>
          `${name}) ${ips.map((ip) => `echo "${ip}  STREAM ${name}"; echo "${ip}  DGRAM"`).join("; ") || "exit 2"} ;;`,
      );
      fakeProgram(directory(), "getent", `case "$2" in ${cases.join(" ")} esac`);
      fakeProgram(directory(), "nslookup", "exit 1");
      fakeProgram(
        directory(),
        "wget",
        `for url in "$@"; do :; done; echo "$url" >> ${at("asked")}; case "$url" in *10.244.1.5*) ${metrics} ;; *) exit 1 ;; esac`,
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

    it("bounds what a pod may answer, and takes a word for its release", () => {
      const dns = { "audit-svc-pods": ["10.244.1.5"], "audit-edge-pods": ["10.244.2.8"] };
      const release = (metrics: string) => {
        rmSync(at("releases"), { recursive: true, force: true });
        const [service] = list(dns, "", "", metrics) as { labels: Record<string, string> }[];
        return service?.labels.release;
      };
      const info = (text: string) => `echo 'audit_build_info{release="${text}"} 1'`;
      assert.equal(release(info("v1.2_3-4")), "v1.2_3-4");
      assert.equal(release(info("a\\")), "unknown");
      assert.equal(release(`${info("one")}; ${info("two")}`), "one");
      assert.equal(release(info("a".repeat(1000))), "a".repeat(100));
      assert.equal(release(`${info("one")}; yes`), "one");
      assert.equal(release("yes | tr -d '\\n'"), "unknown");
    });

    it("keeps the list when DNS does not answer, and when one of the two answers is lost", () => {
      const dns = { "audit-svc-pods": ["10.244.1.5"], "audit-edge-pods": ["10.244.2.8"] };
      const before = list(dns);
      assert.deepEqual(list({ "audit-svc-pods": [], "audit-edge-pods": [] }), before);
      assert.deepEqual(list({ ...dns, "audit-svc-pods": [] }), before);
      assert.deepEqual(list({ ...dns, "audit-edge-pods": [] }), before);
    });

    it("makes no list of half the targets where there is none yet", () => {
      assert.equal(list({ "audit-svc-pods": [], "audit-edge-pods": ["10.244.2.8"] }), undefined);
    });
  });
});
