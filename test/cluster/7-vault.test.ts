import assert from "node:assert/strict";
import { connect } from "node:tls";
import { mustBootstrap, rootToken } from "../e2e/support/bootstrap";
import type { Change } from "../e2e/support/deploys";
import { alerts } from "../../dashboards/alerts";
import { PrometheusApi } from "../../lib/prometheus-api";
import { startLoad, withoutLoss, type LoadOptions } from "../e2e/support/load";
import { Log } from "../e2e/support/log";
import { until } from "../e2e/support/sandbox";
import { attached } from "./support/cluster";
import { isReady, Releases } from "./support/releases";

const NAME = "cluster.sandbox.test";
const MOUNT = "pki-cluster";

/** What bootstrap must allow first, and the agents of the pods then fetch. */
describe("scenario: what Vault makes for a cluster", function () {
  this.timeout(900_000);
  const cluster = attached();
  let releases: Releases;
  before(() => {
    releases = new Releases(cluster());
  });
  after(async () => {
    await mustBootstrap(cluster());
    await releases.mustUp();
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
    await asRoot("DELETE", "sys/policies/acl/audit-edge-certificate-cluster");
    await asRoot("DELETE", "auth/kubernetes/role/audit-edge-certificate-cluster");
    releases.close();
  });

  const asRoot = (method: string, path: string, body?: object) =>
    cluster().vault<{ data: Record<string, string> }>(method, path, body, rootToken());
  const up = async (stack: Change, more: Change = {}): Promise<void> => {
    await mustBootstrap(cluster(), { stack });
    await releases.mustUp({ ...stack, ...more });
  };
  const prometheus = () => new PrometheusApi(cluster().get("PROMETHEUS_URL"));
  /** Waits until AuditAgentLoggedOut would fire for the agents of these pods, and for no other. */
  const alertIsTrueOf = async (pods: readonly (string | undefined)[]): Promise<void> => {
    const all = alerts({ environment: "cluster", runbookUrl: "runbook.md", inPods: true });
    const { expr } = all.find(({ name }) => name === "AuditAgentLoggedOut") ?? assert.fail();
    await until(`agents logged out: ${pods.join(", ") || "none"}`, 90, async () => {
      const found = await prometheus().query(expr);
      assert.deepEqual(found.map(({ labels }) => labels.replica).sort(), pods);
      return true;
    });
  };
  const load = (more: Partial<LoadOptions> = {}) =>
    startLoad({ url: cluster().get("AUDIT_URL"), token: cluster().get("AUDIT_TOKEN"), application: "demo", ...more });

  it("gives each pod a login to the database of its own, without a lost request, and takes it away again", async () => {
    const sent = load({ rate: 100, limit: 600 });
    const users = async (): Promise<string[]> => {
      const files = (await cluster().pods("audit-svc")).map(({ metadata: { name } }) =>
        cluster().kubectl("exec", "-n", "audit", name, "--container", "agent", "--", "cat", "/run/audit/config.json"),
      );
      return (await Promise.all(files)).map((text) => (JSON.parse(text) as Rendered).database.user).sort();
    };
    try {
      const [, own] = await users();
      await up({ databaseCredentials: "dynamic" });
      const made = await users();
      assert.ok(made.length > 1 && new Set(made).size === made.length, made.join(", "));
      for (const user of made) assert.match(user, /^v-kubernet-audit-sv-/);
      await up({});
      assert.deepEqual(new Set(await users()), new Set([own]));
    } finally {
      withoutLoss(await sent.stop());
    }
  });

  it("says of each pod that Vault refuses its agent, until it does not any more, and serves meanwhile", async () => {
    const pods = (await cluster().pods("audit-svc")).map(({ status }) => status.podIP).sort();
    await alertIsTrueOf([]);
    await asRoot("DELETE", "auth/kubernetes/role/audit-svc-cluster");
    try {
      // Without this the agents would notice when they renew their tokens, within the hour.
      await asRoot("POST", "sys/leases/revoke-prefix/auth/kubernetes/login");
      await alertIsTrueOf(pods);
      await releases.stillServes();
    } finally {
      await mustBootstrap(cluster());
    }
    await alertIsTrueOf([]);
  });

  it("gives the edge's pods a certificate, and another before that ends, without a lost request", async () => {
    await asRoot("POST", `sys/mounts/${MOUNT}`, { type: "pki" });
    const made = await asRoot("POST", `${MOUNT}/root/generate/internal`, { common_name: "sandbox", ttl: "87600h" });
    await asRoot("POST", `${MOUNT}/roles/edge`, { allowed_domains: "sandbox.test", allow_subdomains: true });
    const ca = made?.data.certificate ?? "";
    const log = new Log(cluster());
    const [key = ""] = await log.keys();
    log.close();
    await up(
      { tls: "vault", tlsPkiMount: MOUNT, tlsPkiRole: "edge" },
      // The log's name is its own, whatever the service's address is.
      { tlsPkiTtl: "40s", serviceUrl: `https://${NAME}`, logOrigin: key.slice(0, key.indexOf("+")) },
    );
    const { hostname, port } = new URL(cluster().get("AUDIT_URL"));
    const secure = { host: hostname, port: Number(port.replace(/81$/, "44")) };
    const serial = () =>
      new Promise<string>((done, fail) => {
        const socket = connect({ ...secure, servername: NAME, ca }, () => {
          done(socket.getPeerCertificate().serialNumber);
          socket.end();
        });
        socket.on("error", fail);
      });
    const first = await until("a handshake", 30, serial);
    const sent = load({ url: `https://${secure.host}:${secure.port}`, tls: { ca, servername: NAME } });
    try {
      await until("another certificate", 90, async () => ((await serial()) === first ? undefined : true));
    } finally {
      const { stored } = withoutLoss(await sent.stop());
      assert.ok(stored > 100, `only ${stored} stored`);
    }
    await until("Prometheus knows of the agents of nginx's pods", 60, async () => {
      const nginx = (await cluster().pods("audit-edge")).map(({ status }) => `nginx-${status.podIP ?? ""}`).sort();
      const loggedIn = await prometheus().query('vault_agent_authenticated{replica=~"nginx-.*"} == 1');
      assert.deepEqual(loggedIn.map(({ labels }) => labels.replica).sort(), nginx);
      return true;
    });
    const plain = await fetch(`${cluster().get("AUDIT_URL")}/v1/events?limit=1`, { redirect: "manual" });
    assert.equal(plain.headers.get("location"), `https://${NAME}/v1/events?limit=1`);

    // Without it the agents' service account is gone, and a pod that is lost is still made again.
    await up({});
    const pods = await cluster().pods("audit-edge");
    await cluster().kubectl("delete", "pod", "-n", "audit", pods[0]?.metadata.name ?? "");
    await until("as many pods of nginx as before", 60, async () =>
      (await cluster().pods("audit-edge")).filter(isReady).length === pods.length ? true : undefined,
    );
  });
});

interface Rendered {
  database: { user: string };
}
