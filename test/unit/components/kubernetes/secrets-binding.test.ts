import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import type * as pulumi from "@pulumi/pulumi";
import { scriptText } from "../../../../components/host/script-file";
import { find, ofType, run, scriptOf, Secret, valueOf } from "../../support/program";
import { manifest, newCluster, newSecrets, newVault } from "../../support/cluster-world";
import { TOOLS } from "../../support/world";
import { agentPolicy, readOnlyPolicy, signingPolicy } from "../../../../lib/vault/rights";

const build = () => newSecrets(newCluster());

describe("SecretsBinding on a cluster", () => {
  it("stores the data as a secret, and shows it nowhere else", async () => {
    const { resources } = await run(build);
    const secret = find(resources, "SecretV2", "audit-svc-secret");
    assert.deepEqual(secret.inputs.dataJson, new Secret('{"database":{"password":"password-of-the-service"}}'));
    assert.equal(secret.inputs.name, "audit-svc/cluster");
    const others = resources.filter((r) => r !== secret);
    assert.doesNotMatch(JSON.stringify(others.map(({ inputs }) => inputs)), /password-of-the-service/);
  });

  it("lets the pods' service account of that namespace log in with tokens for Vault, to read that path and nothing else", async () => {
    const { resources } = await run(build);
    const { inputs: role } = find(resources, "AuthBackendRole", "audit-svc-role");
    assert.deepEqual(role, {
      backend: "k8s",
      roleName: "audit-svc-cluster",
      boundServiceAccountNames: ["audit-svc"],
      boundServiceAccountNamespaces: ["log"],
      audience: "vault.example.test",
      tokenPolicies: ["audit-svc-cluster"],
      tokenNoDefaultPolicy: true,
      tokenPeriod: 3600,
    });
    assert.deepEqual(find(resources, "Policy", "audit-svc-policy").inputs, {
      name: "audit-svc-cluster",
      policy: agentPolicy({ policy: readOnlyPolicy("secret", "audit-svc/cluster") }),
    });
    const account = find(resources, "ServiceAccount", "audit-svc").inputs;
    assert.equal(account.automountServiceAccountToken, false);
  });

  it("makes neither policy nor role where bootstrap has made them, and no secret_id anywhere", async () => {
    const vault = () => newVault({ inVault: { owner: "bootstrap", readable: true } });
    const { resources } = await run(() => newSecrets(newCluster(), { vault: vault() }));
    for (const type of ["Policy", "AuthBackendRole"]) assert.deepEqual(ofType(resources, type), []);
    assert.doesNotMatch(JSON.stringify(resources), /secret[_-]id/i);
  });

  it("gives a pod the agent as a native sidecar, confined, which renders into memory before the service starts", async () => {
    const { result } = await run(() => build().pod(undefined));
    const { env, ...sidecar } = result.sidecar;
    assert.deepEqual(sidecar, {
      name: "agent",
      image: TOOLS,
      restartPolicy: "Always",
      command: ["vault", "agent", "-config=/agent/agent.hcl"],
      ports: [{ name: "agent", containerPort: 9102 }],
      securityContext: {
        runAsUser: 100,
        runAsGroup: 10001,
        runAsNonRoot: true,
        readOnlyRootFilesystem: true,
        allowPrivilegeEscalation: false,
        capabilities: { drop: ["ALL"] },
        seccompProfile: { type: "RuntimeDefault" },
      },
      resources: { requests: { cpu: "20m", memory: "128Mi" }, limits: { memory: "128Mi" } },
      startupProbe: {
        exec: { command: ["test", "-s", "/run/audit/config.json"] },
        periodSeconds: 1,
        failureThreshold: 120,
      },
      readinessProbe: {
        exec: { command: ["sh", "/agent/gate.sh"] },
        ...{ periodSeconds: 2, timeoutSeconds: 5, failureThreshold: 3 },
      },
      volumeMounts: [
        { name: "agent", mountPath: "/agent", readOnly: true },
        { name: "vault-token", mountPath: "/run/vault", readOnly: true },
        { name: "config", mountPath: "/run/audit" },
        { name: "agent-tmp", mountPath: "/tmp" },
      ],
    });
    assert.ok(env);
    const [agent, ...volumes] = result.volumes as { name: string; configMap?: { name: pulumi.Output<string> } }[];
    assert.equal(await valueOf(agent?.configMap?.name ?? assert.fail()), "audit-svc-agent-made");
    assert.deepEqual(volumes, [
      {
        name: "vault-token",
        projected: {
          sources: [
            { serviceAccountToken: { audience: "vault.example.test", expirationSeconds: 3600, path: "token" } },
          ],
        },
      },
      { name: "config", emptyDir: { medium: "Memory", sizeLimit: "1Mi" } },
      { name: "agent-tmp", emptyDir: { medium: "Memory", sizeLimit: "16Mi" } },
    ]);
    assert.deepEqual(result.mount, { name: "config", mountPath: "/run/audit", readOnly: true });
  });

  it("writes the agent's files exactly so", async () => {
    const { resources } = await run(build);
    const { data = {} } = manifest(resources, "ConfigMap", "audit-svc-agent");
    assert.deepEqual(Object.keys(data).sort(), ["agent.hcl", "config.ctmpl", "confirm-pod.sh", "gate.sh", "reload.sh"]);
    const expected = readFileSync("test/unit/vault-agent/expected/agent-in-pod.hcl", "utf8");
    assert.equal(data["agent.hcl"], expected);
    assert.equal(data["reload.sh"], scriptText("reload.sh"));
  });

  it("lets the service sign with one key, over a socket in the pod's memory that its group alone may use", async () => {
    const signing = { mount: "transit", key: "audit-svc-cluster-log" };
    const { resources } = await run(() => newSecrets(newCluster(), { signing }));
    const policy = readOnlyPolicy("secret", "audit-svc/cluster") + signingPolicy(signing);
    assert.equal(find(resources, "Policy", "audit-svc-policy").inputs.policy, agentPolicy({ policy }));
    const { data = {} } = manifest(resources, "ConfigMap", "audit-svc-agent");
    assert.ok(data["agent.hcl"]?.includes(readFileSync("test/unit/vault-agent/expected/socket.hcl", "utf8")));
  });

  it("has the service reload on the pod's loopback alone, on whichever port the image takes it", async () => {
    const reloadOf = async (reloadOn: "admin" | "main") => {
      const { result } = await run(() => newSecrets(newCluster(), { reloadOn }).pod(undefined));
      return (result.sidecar.env as { name: string; value: string }[]).find(
        ({ name }) => name === "AUDIT_BLUE_REPLICAS",
      )?.value;
    };
    assert.equal(await reloadOf("admin"), "service=http://127.0.0.1:8081/reload");
    assert.equal(await reloadOf("main"), "service=http://127.0.0.1:8080/reload");
  });

  it("never changes the agent's files, so that no pod starts with half of another release: others are another object", async () => {
    const { resources } = await run(() => newSecrets(newCluster()));
    const { immutable, metadata } = manifest(resources, "ConfigMap", "audit-svc-agent");
    // Without a name the engine makes the other one first, under a name that nothing has had before.
    assert.deepEqual([immutable, metadata.name], [true, undefined]);
  });

  it("has every pod confirm by kubectl, again with another secret, and tells no secret in it", async () => {
    const { resources } = await run(() => {
      const cluster = newCluster();
      newSecrets(cluster).confirmation("audit-svc", { parent: cluster, dependsOn: [] });
    });
    const confirmed = find(resources, "Command", "audit-svc-confirmed");
    assert.equal((confirmed.inputs.triggers as string[]).length, 1);
    assert.match(String((confirmed.inputs.triggers as string[])[0]), /^[0-9a-f]{64}$/);
    assert.match(
      scriptOf(confirmed.inputs),
      / confirm\.sh audit-svc agent [0-9a-f]{64} '' kubectl --context production --namespace log$/,
    );
  });
});
