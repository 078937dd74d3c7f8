import assert from "node:assert/strict";
import { placeRelease } from "../../../../components/release/release";
import {
  containersOf,
  envOf,
  manifest,
  newService,
  podOf,
  POD_MONITORS,
  PROMETHEUS,
  relabelings,
  tcp,
} from "../../support/cluster-world";
import { find, ofType, run, scriptOf, Secret, valueOf } from "../../support/program";
import { IMAGE, OTHER_IMAGE } from "../../support/world";

type Outputs = Parameters<typeof run>[1];
const migrated: Outputs = (args) =>
  args.name === "audit-svc-migrate" ? { stdout: "applied 4\nschema version 4\n" } : undefined;
const deploy = (...args: Parameters<typeof newService>) => run(() => newService(...args), migrated);

describe("AuditService on a cluster", () => {
  it("replaces pods one by one, the new one first", async () => {
    const { resources } = await deploy();
    const { spec, metadata } = manifest(resources, "Deployment", "audit-svc");
    const { template, ...rest } = spec;
    assert.ok(template);
    assert.deepEqual(rest, {
      replicas: 3,
      selector: { matchLabels: { "app.kubernetes.io/name": "audit-svc" } },
      strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      progressDeadlineSeconds: 60,
      revisionHistoryLimit: 3,
    });
    // The step `audit-svc-rollout` waits, and says why in vain.
    assert.deepEqual(metadata.annotations, { "pulumi.com/skipAwait": "true", "pulumi.com/patchForce": "true" });
  });

  it("runs the image by digest, confined, with /reload on the pod's loopback, and takes requests by /readyz", async () => {
    const { result, resources } = await deploy();
    const { spec, metadata } = podOf(manifest(resources, "Deployment", "audit-svc"));
    const release = await valueOf(result.release);
    assert.equal(metadata.labels?.["audit/release"], release);
    assert.deepEqual(
      containersOf(spec).map(({ name }) => name),
      ["agent", "service"],
    );
    const [service] = spec.containers;
    assert.deepEqual(service, {
      name: "service",
      image: IMAGE,
      env: [
        { name: "AUDIT_CONFIG_FILE", value: "/run/audit/config.json" },
        { name: "AUDIT_LISTEN", value: "0.0.0.0:8080" },
        { name: "AUDIT_ADMIN_LISTEN", value: "127.0.0.1:8081" },
        { name: "AUDIT_RELEASE", value: release },
      ],
      ports: [{ name: "http", containerPort: 8080 }],
      securityContext: {
        runAsUser: 10001,
        runAsGroup: 10001,
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
      resources: { requests: { cpu: "250m", memory: "256Mi" }, limits: { memory: "256Mi" } },
      readinessProbe: {
        httpGet: { path: "/readyz", port: 8080 },
        ...{ timeoutSeconds: 3, periodSeconds: 2, failureThreshold: 3 },
      },
      livenessProbe: {
        httpGet: { path: "/healthz", port: 8080 },
        ...{ timeoutSeconds: 3, periodSeconds: 10, failureThreshold: 6 },
      },
      lifecycle: { preStop: { sleep: { seconds: 12 } } },
      volumeMounts: [{ name: "config", mountPath: "/run/audit", readOnly: true }],
    });
    assert.equal(spec.terminationGracePeriodSeconds, 47);
    assert.equal(spec.serviceAccountName, "audit-svc");
    assert.equal(spec.automountServiceAccountToken, false);
    assert.deepEqual(spec.securityContext, { fsGroup: 10001 });
  });

  it("tells the gate the version of the schema that migrate made", async () => {
    const { resources } = await deploy();
    const [agent] = podOf(manifest(resources, "Deployment", "audit-svc")).spec.initContainers;
    assert.ok(agent);
    assert.equal(envOf(agent).AUDIT_SCHEMA, "4");
    const silent = await run(
      () => newService(),
      (args) => (args.name === "audit-svc-migrate" ? { stdout: "" } : undefined),
    );
    const [other] = podOf(manifest(silent.resources, "Deployment", "audit-svc")).spec.initContainers;
    assert.ok(other);
    assert.equal(envOf(other).AUDIT_SCHEMA, "");
  });

  it("spreads pods over the nodes that take pods, and lets a node be emptied pod by pod", async () => {
    const { resources } = await deploy();
    const { spec } = podOf(manifest(resources, "Deployment", "audit-svc"));
    const selector = { matchLabels: { "app.kubernetes.io/name": "audit-svc" } };
    const within = (maxSkew: number, whenUnsatisfiable: string) => ({
      topologyKey: "kubernetes.io/hostname",
      ...{ maxSkew, whenUnsatisfiable, labelSelector: selector },
      matchLabelKeys: ["pod-template-hash"],
      nodeTaintsPolicy: "Honor",
    });
    // Three on one node would be three more than an empty one has.
    assert.deepEqual(spec.topologySpreadConstraints, [within(1, "ScheduleAnyway"), within(2, "DoNotSchedule")]);
    const alone = await deploy({ spec: { image: IMAGE, replicas: 1, reloadOn: "admin" } });
    assert.deepEqual(
      podOf(manifest(alone.resources, "Deployment", "audit-svc")).spec.topologySpreadConstraints?.[1],
      within(1, "DoNotSchedule"),
    );
    assert.deepEqual(manifest(resources, "PodDisruptionBudget", "audit-svc").spec, {
      ...{ maxUnavailable: 1, unhealthyPodEvictionPolicy: "AlwaysAllow", selector },
    });
    const leave = (key: string) => ({ key, operator: "Exists", effect: "NoExecute", tolerationSeconds: 20 });
    assert.deepEqual(spec.tolerations, [
      leave("node.kubernetes.io/not-ready"),
      leave("node.kubernetes.io/unreachable"),
    ]);
  });

  it("migrates before any pod is made, by a Job whose password is in no object of the cluster", async () => {
    const { resources } = await deploy();
    const step = find(resources, "Command", "audit-svc-migrate");
    assert.ok(find(resources, "Deployment", "audit-svc").dependsOn.includes(step.urn));
    assert.ok(step.inputs.stdin instanceof Secret);
    assert.match(
      String(step.inputs.stdin.value),
      /"user":"events_owner","password":"password-of-audit-owner-password"/,
    );
    const script = scriptOf(step.inputs);
    assert.doesNotMatch(script, /password-of-/);
    const job = JSON.parse(/'MANIFEST=(\{.*?\})' sh -c/s.exec(script)?.[1] ?? "") as {
      kind: string;
      metadata: object;
      spec: { backoffLimit: number; template: { spec: { containers: unknown[]; restartPolicy: string } } };
    };
    assert.equal(job.kind, "Job");
    const labels = { "app.kubernetes.io/name": "audit-svc-migrate", "app.kubernetes.io/part-of": "audit" };
    assert.deepEqual(job.metadata, { namespace: "log", labels, generateName: "audit-svc-migrate-" });
    assert.equal(job.spec.backoffLimit, 0);
    const [container] = job.spec.template.spec.containers as Record<string, unknown>[];
    assert.deepEqual(
      [container?.image, container?.args, container?.stdin, container?.stdinOnce, container?.env],
      [IMAGE, ["migrate"], true, true, [{ name: "AUDIT_CONFIG_FILE", value: "/dev/stdin" }]],
    );
    assert.match(script, / migrate\.sh audit-svc-migrate 900 kubectl --context production --namespace log$/);
  });

  it("is reached by the edge alone, and reaches the database and Vault alone; the migration reaches the database", async () => {
    const { resources } = await deploy();
    const to = (cidr: string, port: number) => ({ to: [{ ipBlock: { cidr } }], ports: tcp(port) });
    assert.deepEqual(manifest(resources, "NetworkPolicy", "audit-svc-traffic").spec, {
      podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-svc" } },
      policyTypes: ["Ingress"],
      ingress: [
        {
          from: [{ podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-edge" } } }],
          ports: tcp(8080, 9102),
        },
      ],
    });
    const { podSelector, ...wayOut } = manifest(resources, "NetworkPolicy", "audit-svc-way-out").spec;
    assert.deepEqual(wayOut, {
      policyTypes: ["Egress"],
      egress: [to("10.0.0.40/32", 5433), to("10.0.0.50/32", 8200)],
    });
    const { metadata } = podOf(manifest(resources, "Deployment", "audit-svc"));
    const { "audit/way-out": label = "none" } = metadata.labels ?? {};
    assert.deepEqual(podSelector, { matchLabels: { "app.kubernetes.io/name": "audit-svc", "audit/way-out": label } });
    assert.deepEqual(manifest(resources, "NetworkPolicy", "audit-svc-migrate-traffic").spec, {
      podSelector: { matchLabels: { "app.kubernetes.io/name": "audit-svc-migrate" } },
      policyTypes: ["Egress"],
      egress: [to("10.0.0.40/32", 5433)],
    });
  });

  it("gives another way out to new pods alone, which show whether it leads there", async () => {
    const policies = async (range: string) => {
      const vault = { ranges: ["10.0.0.50"], port: 8200 };
      const { resources } = await deploy({ reach: { database: { ranges: [range], port: 5432 }, vault } });
      const policy = find(resources, "NetworkPolicy", "audit-svc-way-out");
      const deployment = find(resources, "Deployment", "audit-svc");
      assert.ok(deployment.dependsOn.includes(policy.urn));
      return { selector: policy.inputs.spec, labels: podOf(manifest(resources, "Deployment", "audit-svc")).metadata };
    };
    const [one, other] = [await policies("10.0.0.40"), await policies("10.0.0.41")];
    assert.notDeepEqual(one.selector, other.selector);
    assert.notDeepEqual(one.labels, other.labels);
  });

  it("refuses to reach no ranges, which a network policy takes for everywhere, before it makes anything", async () => {
    const vault = { ranges: ["10.0.0.50"], port: 8200 };
    const nowhere = { reach: { database: { ranges: [], port: 5432 }, vault } };
    await assert.rejects(deploy(nowhere), {
      message:
        "reach.database.ranges is empty, which to a network policy is everywhere; name the addresses, such as 10.0.0.7/32.",
    });
    const { resources } = await deploy({ reach: { database: vault, vault } });
    assert.deepEqual(manifest(resources, "NetworkPolicy", "audit-svc-migrate-traffic").spec.egress, [
      { to: [{ ipBlock: { cidr: "10.0.0.50/32" } }], ports: tcp(8200) },
    ]);
  });

  it("has Prometheus' operator scrape its pods and their agents, by the labels of targets.sh, where it is told to", async () => {
    const { resources } = await deploy({}, { podMonitors: POD_MONITORS });
    const { inputs, dependsOn } = find(resources, "PodMonitor", "audit-svc-monitor");
    assert.deepEqual(inputs, {
      apiVersion: "monitoring.coreos.com/v1",
      kind: "PodMonitor",
      metadata: {
        name: "audit-svc",
        namespace: "log",
        labels: { "app.kubernetes.io/name": "audit-svc", "app.kubernetes.io/part-of": "audit", release: "prometheus" },
      },
      spec: {
        selector: { matchLabels: { "app.kubernetes.io/name": "audit-svc" } },
        podMetricsEndpoints: [
          {
            ...{ port: "http", path: "/metrics", interval: "10s" },
            relabelings: [
              ...relabelings("audit-svc", "", ""),
              {
                sourceLabels: ["__meta_kubernetes_pod_label_audit_release"],
                targetLabel: "release",
                replacement: "$1",
              },
            ],
          },
          {
            ...{ port: "agent", path: "/agent/v1/metrics", params: { format: ["prometheus"] }, interval: "10s" },
            relabelings: relabelings("audit-agent", "agent/", ""),
          },
        ],
      },
    });
    assert.ok(dependsOn.includes(find(resources, "Command", "cluster-policies-enforced").urn));
    const { ingress } = manifest(resources, "NetworkPolicy", "audit-svc-traffic").spec as { ingress: unknown[] };
    assert.equal(ingress.length, 2);
    assert.deepEqual(ingress[1], { from: PROMETHEUS, ports: tcp(8080, 9102) });
    assert.deepEqual(ofType((await deploy()).resources, "PodMonitor"), []);
  });

  it("has one address for those that are ready, and one name that lists all; neither beyond the cluster", async () => {
    const { resources } = await deploy();
    assert.equal(manifest(resources, "Service", "audit-svc").spec.type, "ClusterIP");
    const { clusterIP, publishNotReadyAddresses } = manifest(resources, "Service", "audit-svc-pods").spec;
    assert.deepEqual([clusterIP, publishNotReadyAddresses], ["None", true]);
    assert.equal(ofType(resources, "Service").length, 2);
  });

  it("waits for the pods again after each change of the Deployment, also one by hand", async () => {
    const made = { uid: "one", generation: 2 };
    const { resources } = await run(
      () => newService(),
      (args) => migrated(args) ?? (args.type.endsWith(":Deployment") ? { metadata: made } : undefined),
    );
    assert.deepEqual(find(resources, "Command", "audit-svc-rollout").inputs.triggers, ["one", 2]);
  });

  it("locks the former login and hands tokens out once every pod has confirmed, and that once all are new", async () => {
    const { result, resources } = await deploy();
    const rollout = find(resources, "Command", "audit-svc-rollout");
    const confirmed = find(resources, "Command", "audit-svc-confirmed");
    assert.ok(confirmed.dependsOn.includes(rollout.urn));
    assert.ok(find(resources, "Role", "audit-app-alt").dependsOn.includes(confirmed.urn));
    assert.ok(find(resources, "SecretV2", "audit-token-writer-billing").dependsOn.includes(confirmed.urn));
    const release = await valueOf(result.release);
    assert.match(
      scriptOf(rollout.inputs),
      new RegExp(` rollout\\.sh audit-svc app\\.kubernetes\\.io/name=audit-svc,audit/release=${release} 60 kubectl `),
    );
  });

  it("leaves the number of pods to the autoscaler where there is one", async () => {
    const { resources } = await deploy({ autoscale: { max: 9, cpu: 65 } });
    assert.equal(manifest(resources, "Deployment", "audit-svc").spec.replicas, undefined);
    assert.deepEqual(manifest(resources, "HorizontalPodAutoscaler", "audit-svc").spec, {
      scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "audit-svc" },
      minReplicas: 3,
      maxReplicas: 9,
      metrics: [
        {
          type: "ContainerResource",
          containerResource: {
            ...{ container: "service", name: "cpu", target: { type: "Utilization", averageUtilization: 65 } },
          },
        },
      ],
    });
    const without = await deploy();
    assert.deepEqual(ofType(without.resources, "HorizontalPodAutoscaler"), []);
  });

  it("remembers what served before in the shape of a VM's slots, so that a rollback is the same command", async () => {
    const first = await deploy();
    const state = await valueOf(first.result.state);
    const second = await deploy({ previous: state, spec: { image: OTHER_IMAGE, replicas: 3, reloadOn: "admin" } });
    const after = await valueOf(second.result.state);
    assert.equal(after.active, "green");
    assert.equal(after.slots.blue?.image, IMAGE);
    assert.equal(after.slots.green?.image, OTHER_IMAGE);
    const spec = { image: IMAGE, replicas: 3, memory: 256, reloadOn: "admin" } as const;
    assert.deepEqual(placeRelease(spec, after).next.active, "blue");
  });

  it("pulls with the cluster's pull secret", async () => {
    const registry = { server: "registry.example.test", username: "robot", password: "harbor-password" };
    const { resources } = await deploy({}, { registry });
    const { spec } = podOf(manifest(resources, "Deployment", "audit-svc"));
    assert.deepEqual(spec.imagePullSecrets, [{ name: "cluster-pull" }]);
    assert.match(
      scriptOf(find(resources, "Command", "audit-svc-migrate").inputs),
      /"imagePullSecrets":\[\{"name":"cluster-pull"\}\]/,
    );
  });
});
