import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EdgeProxy, type EdgeProxyArgs } from "../../../../components/kubernetes/edge-proxy";
import { Authority } from "../../support/authority";
import {
  containersOf,
  edgeArgs,
  envOf,
  manifest,
  newCluster,
  newVault,
  podOf,
  POD_MONITORS,
  PROMETHEUS,
  relabelings,
  tcp,
} from "../../support/cluster-world";
import { find, ofType, run, scriptOf, Secret, valueOf } from "../../support/program";

const deploy = (more: () => Partial<EdgeProxyArgs> = () => ({})) =>
  run(() => new EdgeProxy("audit-edge", { ...edgeArgs(newCluster()), ...more() }));

const byVault = (): Partial<EdgeProxyArgs> => ({
  vault: newVault(),
  certificate: { by: "vault", mount: "pki", role: "edge", ttl: "72h" },
});

describe("EdgeProxy on a cluster", () => {
  it("renders nginx.conf exactly so: the routes, the service by its name, pods' metrics by their addresses", async () => {
    const { resources } = await deploy();
    const { data = {} } = manifest(resources, "ConfigMap", "audit-edge-config");
    assert.deepEqual(Object.keys(data).sort(), ["drain-nginx.sh", "nginx.conf", "targets.sh", "wait-service.sh"]);
    assert.equal(data["nginx.conf"], readFileSync("test/unit/nginx/expected/nginx-cluster.conf", "utf8"));
  });

  it("replaces its pods when the configuration changes, each by a new one that is there first", async () => {
    const revision = async (rate: number) => {
      const { resources } = await deploy(() => ({ limits: { clientRate: rate } }));
      const deployment = manifest(resources, "Deployment", "audit-edge");
      assert.equal(manifest(resources, "ConfigMap", "audit-edge-config").metadata.name, undefined);
      const { metadata, spec } = podOf(deployment);
      assert.deepEqual(spec.volumes[0], { name: "config", configMap: { name: "audit-edge-config-made" } });
      const label = metadata.labels?.["audit/configuration"] ?? "";
      assert.deepEqual(deployment.spec.strategy, {
        type: "RollingUpdate",
        rollingUpdate: { maxSurge: "100%", maxUnavailable: 0 },
      });
      assert.match(
        scriptOf(find(resources, "Command", "audit-edge-rollout").inputs),
        new RegExp(
          `rollout\\.sh audit-edge app\\.kubernetes\\.io/name=audit-edge,audit/configuration=${label} 120 kubectl `,
        ),
      );
      return label;
    };
    assert.notEqual(await revision(1), await revision(2));
  });

  it("ends a pod's connections by nginx's own word before nginx itself", async () => {
    const { resources } = await deploy();
    const { spec } = podOf(manifest(resources, "Deployment", "audit-edge"));
    const [nginx] = spec.containers;
    assert.deepEqual(nginx?.lifecycle, {
      preStop: {
        exec: { command: ["sh", "/etc/audit-edge/drain-nginx.sh", "/etc/audit-edge/nginx.conf", "/tmp/closing", "15"] },
      },
    });
    assert.equal(spec.terminationGracePeriodSeconds, 60);
    const exporter = spec.containers.find((container) => container.name === "exporter");
    assert.deepEqual(
      exporter?.lifecycle,
      { preStop: { sleep: { seconds: 15 } } },
      "is scraped as long as nginx serves",
    );
  });

  it("starts nginx only once the pod reaches the service, or after ten seconds without it", async () => {
    const { resources } = await deploy();
    const { initContainers } = podOf(manifest(resources, "Deployment", "audit-edge")).spec;
    assert.deepEqual(
      initContainers.map(({ name, command, restartPolicy }) => [name, command, restartPolicy]),
      [["way", ["sh", "/etc/audit-edge/wait-service.sh", "http://audit-svc:8080/healthz", "10"], undefined]],
    );
  });

  it("runs everything confined, without a token for the cluster's API", async () => {
    const { resources } = await deploy(byVault);
    const { spec } = podOf(manifest(resources, "Deployment", "audit-edge"));
    assert.equal(spec.automountServiceAccountToken, false);
    const containers = containersOf(spec);
    assert.deepEqual(
      containers.map(({ name }) => name),
      ["way", "agent", "nginx", "exporter", "targets"],
    );
    for (const { name, securityContext } of containers) {
      const { runAsUser, runAsGroup, ...confined } = securityContext;
      assert.ok(Number(runAsUser) > 0 && Number(runAsGroup) > 0, name);
      assert.deepEqual(
        confined,
        {
          runAsNonRoot: true,
          readOnlyRootFilesystem: true,
          allowPrivilegeEscalation: false,
          capabilities: { drop: ["ALL"] },
          seccompProfile: { type: "RuntimeDefault" },
        },
        name,
      );
    }
    const withToken = containers.filter(({ volumeMounts = [] }) => volumeMounts.some((m) => m.name === "vault-token"));
    assert.deepEqual(
      withToken.map(({ name }) => name),
      ["agent"],
    );
  });

  it("lets clients and Prometheus in, and goes out to the service and what reports on pods alone", async () => {
    const { resources } = await deploy();
    const pods = (name: string) => [{ podSelector: { matchLabels: { "app.kubernetes.io/name": name } } }];
    assert.deepEqual(manifest(resources, "NetworkPolicy", "audit-edge-traffic").spec, {
      podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } },
      policyTypes: ["Ingress", "Egress"],
      ingress: [
        { ports: tcp(8080) },
        { from: [{ ipBlock: { cidr: "10.0.0.9/32" } }], ports: tcp(9145) },
        { from: pods("audit-edge"), ports: tcp(9113) },
      ],
      egress: [
        { to: pods("audit-svc"), ports: tcp(8080, 9102) },
        { to: pods("audit-edge"), ports: tcp(9113) },
      ],
    });
  });

  it("lets only those clients in that it is told, and reaches Vault only for a certificate from it", async () => {
    const { resources } = await deploy(() => ({ ...byVault(), clients: ["10.0.0.0/8", "192.0.2.7"] }));
    const { ingress, egress } = manifest(resources, "NetworkPolicy", "audit-edge-traffic").spec as {
      ingress: { from: unknown; ports: { port: number }[] }[];
      egress: unknown[];
    };
    assert.deepEqual(ingress[0], {
      from: [{ ipBlock: { cidr: "10.0.0.0/8" } }, { ipBlock: { cidr: "192.0.2.7/32" } }],
      ports: tcp(8080, 8443),
    });
    // With a certificate from Vault its pods have agents, too.
    const itself = [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } } }];
    assert.deepEqual(ingress.slice(2), [{ from: itself, ports: tcp(9113, 9102) }]);
    assert.deepEqual(egress[1], { to: itself, ports: tcp(9113, 9102) });
    assert.deepEqual(egress[2], {
      to: [{ ipBlock: { cidr: "10.0.0.50/32" } }],
      ports: tcp(8200),
    });
  });

  it("refuses to reach no ranges, which a network policy takes for everywhere", async () => {
    await assert.rejects(
      deploy(() => ({ ...byVault(), reach: { vault: { ranges: [], port: 8200 } } })),
      { message: /^reach\.vault\.ranges is empty/ },
    );
  });

  it("lets nobody read metrics where nobody is told to it", async () => {
    const { resources } = await deploy(() => ({ metricsAllow: [] }));
    const { ingress } = manifest(resources, "NetworkPolicy", "audit-edge-traffic").spec as { ingress: unknown[] };
    assert.deepEqual(ingress, [
      { ports: tcp(8080) },
      { from: [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } } }], ports: tcp(9113) },
    ]);
  });

  it("is offered by the cluster's balancer, whose address it waits for, and keeps the clients' addresses", async () => {
    const { resources } = await deploy(() => ({ annotations: { "example.test/internal": "true" } }));
    const { spec, metadata } = manifest(resources, "Service", "audit-edge");
    assert.deepEqual(spec, {
      type: "LoadBalancer",
      externalTrafficPolicy: "Local",
      selector: { "app.kubernetes.io/name": "audit-edge" },
      ports: [
        { name: "http", targetPort: 8080, port: 80 },
        { name: "metrics", targetPort: 9145, port: 9145 },
      ],
    });
    assert.deepEqual(metadata.annotations, { "pulumi.com/skipAwait": "true", "example.test/internal": "true" });
    assert.match(
      scriptOf(find(resources, "Command", "audit-edge-address").inputs),
      / wait-address\.sh audit-edge 300 kubectl /,
    );
    const patient = await deploy(() => ({ addressDeadline: 900 }));
    assert.match(
      scriptOf(find(patient.resources, "Command", "audit-edge-address").inputs),
      / wait-address\.sh audit-edge 900 kubectl /,
    );
  });

  it("is offered by ports of the nodes where it is told so, and waits for no address then", async () => {
    const listen = { port: 30080, tlsPort: 30443, metricsPort: 30145 };
    const { resources } = await deploy(() => ({ ...byVault(), exposure: "nodePort", listen }));
    const { type, ports, externalTrafficPolicy } = manifest(resources, "Service", "audit-edge").spec;
    assert.deepEqual([type, externalTrafficPolicy], ["NodePort", "Local"]);
    assert.deepEqual(ports, [
      { name: "http", targetPort: 8080, port: 8080, nodePort: 30080 },
      { name: "https", targetPort: 8443, port: 8443, nodePort: 30443 },
      { name: "metrics", targetPort: 9145, port: 9145, nodePort: 30145 },
    ]);
    assert.ok(!ofType(resources, "Command").some(({ name }) => name === "audit-edge-address"));
  });

  it("is on each node before a second one is on any, and keeps its pods when it is offered in another way", async () => {
    const pods = async (exposure: EdgeProxyArgs["exposure"]) => {
      const { resources } = await deploy(() => ({ replicas: 4, exposure }));
      return podOf(manifest(resources, "Deployment", "audit-edge"));
    };
    const behindPorts = await pods("nodePort");
    assert.deepEqual(
      behindPorts.spec.topologySpreadConstraints?.map(({ maxSkew, whenUnsatisfiable }) => [whenUnsatisfiable, maxSkew]),
      [["DoNotSchedule", 1]],
    );
    assert.deepEqual(await pods("loadBalancer"), behindPorts);
  });

  it("lets a node be emptied pod by pod, also of pods that are not ready", async () => {
    const { resources } = await deploy(() => ({ replicas: 1 }));
    assert.deepEqual(manifest(resources, "PodDisruptionBudget", "audit-edge").spec, {
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: "AlwaysAllow",
      selector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } },
    });
  });

  it("tells its address once its pods are ready", async () => {
    const { result } = await deploy();
    assert.equal(await valueOf(result.url), "https://audit.example.test");
    assert.deepEqual(result.targets, { path: "/targets" });
    assert.deepEqual(result.otherMetrics, []);
  });

  it("has each pod's agent fetch a certificate of its own from Vault", async () => {
    const { result, resources } = await deploy(byVault);
    const role = find(resources, "AuthBackendRole", "audit-edge-role").inputs;
    assert.equal(role.roleName, "audit-edge-certificate-cluster");
    assert.deepEqual(role.boundServiceAccountNames, ["audit-edge"]);
    assert.deepEqual(result.otherMetrics, ["certificate"]);
    const { data = {} } = manifest(resources, "ConfigMap", "audit-edge-certificate-agent");
    assert.match(data["agent.hcl"] ?? "", /destination {10}= "\/run\/tls\/edge\.pem"/);
    const { spec } = podOf(manifest(resources, "Deployment", "audit-edge"));
    assert.equal(spec.serviceAccountName, "audit-edge");
    const agent = spec.initContainers.find(({ name }) => name === "agent");
    assert.deepEqual(agent?.startupProbe, {
      exec: { command: ["test", "-s", "/run/tls/edge.pem"] },
      ...{ periodSeconds: 1, failureThreshold: 120 },
    });
    assert.equal(agent.readinessProbe, undefined);
    const without = podOf(manifest((await deploy()).resources, "Deployment", "audit-edge"));
    assert.equal(without.spec.serviceAccountName, "default", "the agent's may be gone");
  });

  it("lists the agents of its pods where these have any", async () => {
    const told = async (more?: () => Partial<EdgeProxyArgs>) => {
      const { spec } = podOf(manifest((await deploy(more)).resources, "Deployment", "audit-edge"));
      return spec.containers.filter(({ name }) => name === "targets").map((one) => envOf(one).AUDIT_EDGE_AGENTS);
    };
    assert.deepEqual(await told(byVault), ["yes"]);
    assert.deepEqual(await told(), [""]);
  });

  it("has Prometheus' operator scrape its pods, where it is told to", async () => {
    const { resources } = await deploy(() => ({ ...byVault(), cluster: newCluster({ podMonitors: POD_MONITORS }) }));
    const scraped = (port: string, path: string, labels: [string, string, string], more: object = {}) => ({
      ...{ port, path, interval: "10s", relabelings: relabelings(...labels) },
      ...more,
    });
    assert.deepEqual(manifest(resources, "PodMonitor", "audit-edge-monitor").spec, {
      selector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } },
      podMetricsEndpoints: [
        scraped("exporter", "/metrics", ["nginx", "nginx/", "nginx-"]),
        scraped("certificate", "/metrics/certificate", ["audit-certificate", "certificate/", "nginx-"]),
        scraped("agent", "/agent/v1/metrics", ["audit-agent", "agent/", "nginx-"], {
          params: { format: ["prometheus"] },
        }),
      ],
    });
    const { ingress } = manifest(resources, "NetworkPolicy", "audit-edge-traffic").spec as { ingress: unknown[] };
    assert.deepEqual(ingress.at(-1), { from: PROMETHEUS, ports: tcp(9113, 9146, 9102) });
    const named = containersOf(podOf(manifest(resources, "Deployment", "audit-edge")).spec).flatMap(
      ({ ports = [] }) => ports as { name: string; containerPort: number }[],
    );
    for (const [name, port] of [
      ["exporter", 9113],
      ["certificate", 9146],
      ["agent", 9102],
    ] as const)
      assert.deepEqual(
        named.filter((one) => one.name === name),
        [{ name, containerPort: port }],
      );
  });

  it("serves the certificate's expiry to a Prometheus inside the cluster on a port of its own, which has nothing else", async () => {
    const of = async (more: () => Partial<EdgeProxyArgs>) => {
      const { resources } = await deploy(more);
      const { data = {} } = manifest(resources, "ConfigMap", "audit-edge-config");
      return { text: data["nginx.conf"] ?? "", spec: JSON.stringify(manifest(resources, "Deployment", "audit-edge")) };
    };
    const monitored = () => ({ cluster: newCluster({ podMonitors: POD_MONITORS }) });
    const own = readFileSync("test/unit/nginx/expected/certificate-port.conf", "utf8");
    const both = await of(() => ({ ...byVault(), ...monitored() }));
    assert.ok(both.text.includes(own), both.text);
    assert.match(both.spec, /9146/);
    for (const more of [byVault, monitored]) {
      const { text, spec } = await of(more);
      assert.doesNotMatch(text + spec, /9146/);
    }
  });

  describe("with a certificate from files", () => {
    const directory = mkdtempSync(join(tmpdir(), "edge-"));
    let source: { by: "files"; certificateFile: string; keyFile: string };
    let key: string;
    before(() => {
      const issued = new Authority(directory).issue("DNS:audit.example.test");
      key = issued.key;
      source = { by: "files", certificateFile: join(directory, "edge.pem"), keyFile: join(directory, "edge.key") };
      writeFileSync(source.certificateFile, issued.cert);
      writeFileSync(source.keyFile, issued.key);
    });
    after(() => rmSync(directory, { recursive: true }));

    it("keeps it as a secret that nginx's group reads, with a label that changes with it", async () => {
      const { resources } = await deploy(() => ({ certificate: source }));
      const secret = find(resources, "Secret", "audit-edge-certificate");
      const { stringData } = secret.inputs;
      assert.ok(stringData instanceof Secret);
      assert.ok(String((stringData.value as Record<string, string>)["edge.pem"]).includes(key));
      const others = resources.filter((r) => r !== secret).map(({ inputs }) => inputs);
      assert.ok(!JSON.stringify(others).includes("PRIVATE KEY"));
      const { name, labels } = manifest(resources, "Secret", "audit-edge-certificate").metadata;
      assert.equal(name, undefined);
      assert.match(labels?.["audit/certificate"] ?? "", /^[0-9a-f]{12}$/);
      const { spec } = podOf(manifest(resources, "Deployment", "audit-edge"));
      assert.deepEqual(spec.volumes.at(-1), {
        name: "certificate",
        secret: { secretName: "audit-edge-certificate-made", defaultMode: 0o440 },
      });
      assert.deepEqual(spec.securityContext, { fsGroup: 101 });
      assert.deepEqual(
        spec.initContainers.map((one) => one.name),
        ["way"],
      );
    });
  });
});
