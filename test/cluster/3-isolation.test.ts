import assert from "node:assert/strict";
import { refusesAll } from "../e2e/support/nothing-reloads";
import { reloadCorpus } from "../e2e/support/reload-corpus";
import { attached } from "./support/cluster";

describe("scenario: isolation on a cluster", () => {
  const cluster = attached();

  it("answers /reload with 404 in every spelling", async () => {
    const url = cluster().get("AUDIT_URL");
    await refusesAll(url, reloadCorpus(new URL(url).host));
  });

  /** Asks for an address from a container; whatever it answers, it was reached. */
  const reaches = async (pod: string, container: string, address: string): Promise<boolean> => {
    const script = `wget -q -T 3 -O - http://${address} 2>&1 | grep -qE "error|ok|HTTP|status" && echo reached || echo refused`;
    const answer = await cluster().kubectl(
      "exec",
      "-n",
      "audit",
      pod,
      "--container",
      container,
      "--",
      "sh",
      "-c",
      script,
    );
    return answer.trim() === "reached";
  };

  it("lets nginx reach the service, and nobody else, not even another pod of the service", async () => {
    const [one, other] = await cluster().pods("audit-svc");
    const [edge] = await cluster().pods("audit-edge");
    assert.ok(one && other && edge);
    const address = `${other.status.podIP ?? ""}:8080/healthz`;
    assert.ok(await reaches(edge.metadata.name, "targets", address));
    assert.ok(!(await reaches(one.metadata.name, "agent", address)));
  });

  it("lets no pod reach the admin port of another: it is on the pod's loopback alone", async () => {
    const [one] = await cluster().pods("audit-svc");
    const [edge] = await cluster().pods("audit-edge");
    assert.ok(one && edge);
    assert.ok(!(await reaches(edge.metadata.name, "targets", `${one.status.podIP ?? ""}:8081/reload`)));
  });

  it("has the agents tell nginx their metrics, and nobody anything else", async () => {
    const [one, other] = await cluster().pods("audit-svc");
    const [edge] = await cluster().pods("audit-edge");
    assert.ok(one && other && edge);
    const asked = (pod: string, container: string, path: string): Promise<string> =>
      cluster().kubectl(
        ...["exec", "-n", "audit", pod, "--container", container, "--", "sh", "-c"],
        `wget -q -S -T 3 -O - 'http://${other.status.podIP ?? ""}:9102${path}' 2>&1 || :`,
      );
    const metrics = "/agent/v1/metrics?format=prometheus";
    assert.match(await asked(edge.metadata.name, "targets", metrics), /^vault_agent_authenticated 1$/m);
    assert.doesNotMatch(await asked(one.metadata.name, "agent", metrics), /vault_agent/);
    for (const path of ["/v1/sys/health", "/v1/auth/token/lookup-self", "/agent/v1/cache-clear", "/agent/v1/quit"])
      assert.match(await asked(edge.metadata.name, "targets", path), /\b404\b/, path);
  });

  it("lets pods out to nothing but what they need: the cluster's API is not among it", async () => {
    const [service] = await cluster().pods("audit-svc");
    const [edge] = await cluster().pods("audit-edge");
    assert.ok(service && edge);
    for (const [pod, container] of [
      [service, "agent"],
      [edge, "targets"],
    ] as const) {
      const api = "$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/";
      assert.ok(!(await reaches(pod.metadata.name, container, api)), container);
    }
  });

  it("gives no pod a token for the cluster's API", async () => {
    for (const workload of ["audit-svc", "audit-edge"]) {
      const text = await cluster().kubectl(
        ...["get", "pods", "-n", "audit", "--selector", `app.kubernetes.io/name=${workload}`, "--output", "json"],
      );
      assert.doesNotMatch(text, /\/var\/run\/secrets\/kubernetes\.io/, workload);
    }
  });
});
