import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, it } from "mocha";
import { releaseId } from "../../../components/release/release";
import { deploy } from "../../../ci/deploy";
import { drift } from "../../../ci/drift";
import { preview } from "../../../ci/preview";
import { commands, failsWith, jobWith, tokenFor, vaultWith, type Call } from "./support/job";
import { digest, jobDirectory, KUBECONFIG, output, OUTPUTS, SECRETS, ups } from "./support/stack";

/** The jobs with AUDIT_STACK=cluster: what differs from a stack on a VM. */
describe("ci: a stack on a cluster", () => {
  const dir = jobDirectory();
  const file = (...more: string[]) =>
    writeFileSync(
      join(dir(), "Pulumi.cluster.yaml"),
      ["config:", "  audit:platform: kubernetes", "  audit:kubeContext: production", ...more, ""].join("\n"),
    );

  beforeEach(() => {
    writeFileSync(join(dir(), "Pulumi.yaml"), "name: audit\nruntime: nodejs\n");
    file("  audit:databaseDriftUser: drift");
  });

  const COPY = {
    version: 4,
    deployment: {
      resources: [
        { urn: "urn:stack", type: "pulumi:pulumi:Stack", outputs: { image: digest("a"), releases: OUTPUTS.releases } },
        { urn: "urn:pull", type: "kubernetes:core/v1:Secret" },
        { urn: "urn:pods", type: "kubernetes:apps/v1:Deployment" },
        {
          urn: "urn:secret",
          type: "vault:kv/secretV2:SecretV2",
          outputs: { mount: "secret", name: "audit-svc/cluster" },
        },
      ],
    },
  };
  /** A job whose Vault has this for its purpose, and the copy of the stack's state. */
  const jobOf = async (purpose: string, stored: Record<string, string>, env: object = {}, ...argv: string[]) => {
    const state = gzipSync(JSON.stringify(COPY)).toString("base64");
    const vault = await vaultWith({
      [`secret/ci/audit/${purpose}`]: stored,
      "secret/ci/audit/state-copy/cluster": { state, deploy: "deploy v1 by alice", versions: {} },
    });
    const base = { AUDIT_STACK: "cluster", PATH: "/bin", VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) };
    return { vault, ...jobWith({ ...base, ...env }, ...argv) };
  };
  const WITH_CLUSTER = { ...SECRETS, KUBECONFIG };
  const onTag = {
    ...{ CI_COMMIT_TAG: "v1.2.0", CI_COMMIT_REF_PROTECTED: "true", GITLAB_USER_LOGIN: "alice" },
    ...{ CI_PIPELINE_URL: "https://gitlab.example.com/p/1", IMAGE: digest("c") },
  };
  const SETTINGS = { "audit:image": { value: digest("a") }, "audit:replicas": { value: "3" } };
  /** The CLI; `seen` is what the kubeconfig had in it while the program ran. */
  const cli = (settings: object = SETTINGS) => {
    const seen: string[] = [];
    const look = ({ options }: Call) => {
      const path = options.env?.KUBECONFIG ?? "";
      seen.push(path === "/dev/null" ? path : readFileSync(path, "utf8"));
      return {};
    };
    const made = commands({
      "pulumi config": output(settings),
      "stack output": output(OUTPUTS),
      "stack init": () => ({}),
      "stack import": () => ({}),
      "pulumi up": look,
      "pulumi preview": look,
    });
    return { ...made, seen };
  };
  const bySsh = (calls: readonly Call[]) => calls.filter(({ line }) => /\bssh\b|docker/.test(line));
  const left = (calls: readonly Call[]) =>
    calls
      .map(({ options }) => options.env?.KUBECONFIG ?? "/dev/null")
      .filter((path) => path !== "/dev/null" && existsSync(path));

  it("is deployed with its kubeconfig, and nothing asks for SSH or a VM", async () => {
    const { exec, calls, seen } = cli();
    const { job, log } = await jobOf("deploy", WITH_CLUSTER, onTag);
    await deploy(job, exec, dir());
    const release = releaseId({ image: digest("c"), replicas: 3 });
    assert.deepEqual(ups(calls), [
      `pulumi up --yes --skip-preview --suppress-progress --message deploy v1.2.0 by alice: release aaaaaaaaaaaa -> ${release} (sha256:cccccccccccc); https://gitlab.example.com/p/1 --config audit:image=${digest("c")} --config audit:replicas=3 --config audit:memory=256 --config audit:reloadOn=admin --stack cluster --non-interactive --color never`,
    ]);
    assert.deepEqual(seen, [`${KUBECONFIG}\n`]);
    assert.deepEqual(left(calls), []);
    assert.deepEqual(bySsh(calls), []);
    assert.deepEqual(log.filter((line) => /ssh/i.test(line)), []); // prettier-ignore
  });

  it("goes back to its former release by that one's settings", async () => {
    const { exec, calls, seen } = cli();
    await deploy((await jobOf("deploy", WITH_CLUSTER, onTag, "rollback")).job, exec, dir());
    assert.match(
      ups(calls)[0] ?? "",
      / --message rollback from v1\.2\.0 by alice: release aaaaaaaaaaaa -> bbbbbbbbbbbb /,
    );
    assert.ok(ups(calls)[0]?.includes(` --config audit:image=${digest("b")} --config audit:replicas=3 --config audit:memory=512 `)); // prettier-ignore
    assert.deepEqual(seen, [`${KUBECONFIG}\n`]);
    assert.deepEqual(bySsh(calls), []);
  });

  it("is not deployed without a login to the cluster, or with another cluster's", async () => {
    const { exec, calls } = cli();
    await failsWith(
      deploy((await jobOf("deploy", SECRETS, onTag)).job, exec, dir()),
      "KUBECONFIG: neither a CI variable nor in Vault at secret/ci/audit/deploy",
    );
    const { job, vault } = await jobOf(
      "deploy",
      { ...WITH_CLUSTER, KUBECONFIG: "contexts: [{ name: staging }]" },
      onTag,
    );
    await failsWith(
      deploy(job, exec, dir()),
      "KUBECONFIG has no context production, which audit:kubeContext names; it has staging",
    );
    assert.equal(vault.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
    assert.deepEqual(calls, []);
  });

  it("reaches Prometheus's host by SSH if its file names one", async () => {
    file("  audit:prometheusHost: ssh://deploy@prometheus.example.com");
    const { exec, calls, seen } = cli();
    await deploy((await jobOf("deploy", WITH_CLUSTER, onTag)).job, exec, dir());
    assert.deepEqual(seen, [`${KUBECONFIG}\n`]);
    assert.match(
      calls.find(({ line }) => line.startsWith("pulumi up"))?.options.env?.PATH ?? "",
      /ssh-\w+\/bin:\/bin$/,
    );
    assert.deepEqual(left(calls), []);
  });

  it("is previewed without a login to the cluster, also where every branch is given one", async () => {
    const { exec, calls, seen } = cli();
    const { job, log } = await jobOf("preview", {}, { KUBECONFIG: "/builds/kubeconfig" });
    await preview(job, exec, dir());
    assert.deepEqual(seen, ["/dev/null"]);
    assert.equal(JSON.stringify(calls).includes("/builds/kubeconfig"), false);
    assert.equal(
      log[0],
      "warning: KUBECONFIG given to a branch that is not protected; protect the variable, or move it to Vault",
    );
  });

  it("is not previewed while Vault has a login to the cluster for every branch", async () =>
    failsWith(
      preview((await jobOf("preview", { KUBECONFIG })).job, cli().exec, dir()),
      "Vault's secret/ci/audit/preview has KUBECONFIG; whoever can push a branch can read it, and a preview needs no login: leave nothing but GITLAB_TOKEN there",
    ));

  const READS = { PGPASSWORD: "of-the-observer", GRAFANA_AUTH: "of-a-viewer" };

  it("is compared with a login of its own, and without its secrets, which that may not read", async () => {
    const { exec, calls, seen } = cli();
    const reading = KUBECONFIG.replace("token-for-the-cluster", "token-that-reads");
    const { job, log } = await jobOf("drift", { ...READS, KUBECONFIG: reading });
    await drift(job, exec, dir());
    const { line } = calls.find((call) => call.line.startsWith("pulumi preview")) ?? { line: "" };
    assert.match(line, /^pulumi preview --refresh --diff --expect-no-changes /);
    assert.ok(line.includes(" --exclude urn:secret --exclude urn:pull "), line);
    assert.equal(line.includes("urn:pods"), false);
    assert.deepEqual(seen, [`${reading}\n`]);
    assert.deepEqual(left(calls), []);
    assert.deepEqual(bySsh(calls), []);
    assert.equal(log.at(-1), 'no drift since "deploy v1 by alice"');
  });

  it("is not compared without one", async () =>
    failsWith(
      drift((await jobOf("drift", READS)).job, cli().exec, dir()),
      "KUBECONFIG: neither a CI variable nor in Vault at secret/ci/audit/drift",
    ));

  it("alone gets one: a stack on a VM does not", async () => {
    const { exec, calls } = commands({
      "pulumi config": output(SETTINGS),
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({}),
    });
    const { job } = await jobOf("deploy", WITH_CLUSTER, {
      ...onTag,
      AUDIT_STACK: "vm2",
      KUBECONFIG: "/builds/kubeconfig",
    });
    await deploy(job, exec, dir());
    assert.equal(ups(calls).length, 1);
    for (const { line, options } of calls)
      if (line.startsWith("pulumi ")) assert.equal(options.env?.KUBECONFIG, undefined, line);
  });
});
