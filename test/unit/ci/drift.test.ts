import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeEach, describe, it } from "mocha";
import { drift } from "../../../ci/drift";
import type { State } from "../../../ci/lib/placeholders";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import type { Double } from "./support/servers";
import { jobDirectory, OUTPUTS } from "./support/stack";

const SECRET = "vault:kv/secretV2:SecretV2";
const COPY: State = {
  version: 4,
  deployment: {
    resources: [
      { urn: "urn:stack", type: "pulumi:pulumi:Stack", outputs: { releases: OUTPUTS.releases } },
      {
        urn: "urn:postgres",
        type: "pulumi:providers:postgresql",
        inputs: { host: "db", username: "deployer" },
        outputs: { host: "db", username: "deployer" },
      },
      {
        urn: "urn:secret",
        type: SECRET,
        outputs: { mount: "secret", name: "audit-svc/vm2" },
      },
    ],
  },
};
const LOGINS = { PGPASSWORD: "of-the-observer", GRAFANA_AUTH: "of-a-viewer" };

describe("ci: drift", () => {
  const dir = jobDirectory();
  let vault: Double;

  beforeEach(() => {
    writeFileSync(join(dir(), "Pulumi.yaml"), "name: audit\nruntime: nodejs\n");
    writeFileSync(join(dir(), "Pulumi.vm2.yaml"), "config:\n  audit:databaseDriftUser: drift\n");
  });

  const SECRET = "secret/audit-svc/vm2";
  const AS_LEFT = "at version 4 of 2026-01-01";
  /** What Vault tells of a secret. */
  const written = (version: number, newest: object = { created_time: "2026-01-01" }) => ({
    current_version: version,
    versions: { [version]: newest },
  });

  /** A job whose Vault has these secrets, and tells this of the service's. */
  const job = async (
    given: {
      logins?: Record<string, string>;
      copy?: State | null;
      metadata?: object;
      versions?: object;
      env?: object;
    } = {},
  ) => {
    const { logins = LOGINS, copy = COPY, metadata = written(4), versions = { [SECRET]: AS_LEFT }, env } = given;
    const packed = gzipSync(JSON.stringify(copy)).toString("base64");
    vault = await vaultWith(
      {
        "secret/ci/audit/drift": logins,
        ...(copy && { "secret/ci/audit/state-copy/vm2": { state: packed, deploy: "deploy v1 by alice", versions } }),
      },
      ({ path, body }) => {
        if (path === "/v1/secret/metadata/audit-svc/vm2") return { body: { data: metadata } };
        if (path.startsWith("/v1/ssh/sign/")) return { body: { data: { signed_key: "ssh-ed25519-cert" } } };
        if (path === "/v1/auth/jwt/login") assert.equal((JSON.parse(body) as { role: string }).role, "audit-ci-drift");
        return undefined;
      },
    );
    return jobWith({ VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}), PATH: "/bin", ...env });
  };
  const loaded: State[] = [];
  const cli = (result: { code?: number; all?: string } = {}) =>
    commands({
      "ssh-keygen": ({ line }) => {
        writeFileSync(`${/-f (\S+)/.exec(line)?.[1] ?? ""}.pub`, "ssh-ed25519 AAAA");
        return {};
      },
      "stack init": () => ({}),
      "stack import": ({ line }) => {
        loaded.push(JSON.parse(readFileSync(/--file (\S+)/.exec(line)?.[1] ?? "", "utf8")) as State);
        return {};
      },
      "pulumi preview": () => result,
    });

  it("succeeds without differences, for the active release", async () => {
    const { exec, calls } = cli();
    const { job: one, log } = await job();
    await drift(one, exec, dir());
    const { line } = calls.find((call) => call.line.startsWith("pulumi preview")) ?? { line: "" };
    assert.match(line, /^pulumi preview --refresh --diff --expect-no-changes /);
    assert.ok(line.includes("--config audit:replicas=2 --config audit:memory=256 "), line);
    assert.equal(log.at(-1), 'no drift since "deploy v1 by alice"');
  });

  it("runs on a copy of the state, with logins that only read", async () => {
    const { exec, calls } = cli();
    await drift((await job({ env: { VAULT_SSH_ROLE: "vm2" } })).job, exec, dir());
    const { line, options } = calls.find((call) => call.line.startsWith("pulumi preview")) ?? { line: "", options: {} };
    const { env = {} } = options;
    assert.match(env.PULUMI_BACKEND_URL ?? "", /^file:/);
    assert.equal(env.PGPASSWORD, "of-the-observer");
    assert.equal(env.GRAFANA_HTTP_HEADERS, '{"Authorization":"Bearer of-a-viewer"}');
    assert.equal(env.VAULT_TOKEN, "hvs.the-token-of-the-job");
    assert.equal(env.AUDIT_REGISTRY_PASSWORD, "no-login-of-a-preview");
    assert.match(env.PATH ?? "", /ssh-\w+\/bin:\/bin$/);
    assert.ok(line.includes("--config audit:databaseAdminUser=drift"), line);
    assert.ok(line.includes("--exclude urn:secret"), line);
    const provider = loaded.at(-1)?.deployment.resources?.find(({ urn }) => urn === "urn:postgres");
    assert.deepEqual([provider?.inputs?.username, provider?.outputs?.username], ["drift", "drift"]);
    const asked = vault.asked.map(({ method, path }) => `${method} ${path}`);
    assert.ok(asked.includes("PUT /v1/ssh/sign/vm2-read"), asked.join("\n"));
    assert.deepEqual(
      asked.filter((one) => /transit|v1\/secret\/data\/audit-svc|sign\/vm2$/.test(one)),
      [],
    );
  });

  it("fails with differences, and if it could not compare", async () => {
    const changed =
      "password of-the-observer\nResources:\n    ~ 1 to update\nerror: no changes were expected but changes were proposed\n";
    await failsWith(
      drift((await job()).job, cli({ code: 255, all: changed }).exec, dir()),
      'the installation differs from what "deploy v1 by alice" left (Would change: ~ 1 to update.); see above or build/drift.txt, then deploy again or change the program',
    );
    assert.match(readFileSync(join(dir(), "build/drift.txt"), "utf8"), /^password \[MASKED\]\nResources:\n/);
    await failsWith(
      drift((await job()).job, cli({ code: 255, all: "error: ssh: connect to host vm2: Connection refused\n" }).exec, dir()), // prettier-ignore
      "Pulumi could not compare: ssh: connect to host vm2: Connection refused",
    );
    await failsWith(
      drift((await job({ copy: null })).job, cli().exec, dir()),
      "no deploy of stack vm2 has published a copy of its state yet, so there is nothing to compare",
    );
  });

  it("fails when somebody wrote a secret, which it cannot read", async () => {
    for (const [metadata, present] of [
      [written(5), "at version 5 of 2026-01-01"],
      // Deleted with all its versions and recreated: the version numbers start again at 1.
      [written(4, { created_time: "2026-02-02" }), "at version 4 of 2026-02-02"],
      [written(4, { created_time: "2026-01-01", deletion_time: "2026-02-02" }), "gone"],
      [written(4, { created_time: "2026-01-01", destroyed: true }), "gone"],
    ] as const) {
      await failsWith(
        drift((await job({ metadata })).job, cli().exec, dir()),
        new RegExp(
          `^the installation differs from what "deploy v1 by alice" left \\(Vault's ${SECRET} is ${present}, and the deploy left it ${AS_LEFT}\\.\\); `,
        ),
      );
      assert.ok(readFileSync(join(dir(), "build/drift.txt"), "utf8").includes(`is ${present}`));
    }
    // The deploy of a former version left none.
    const { job: one, log } = await job({ metadata: written(5), versions: {} });
    await drift(one, cli().exec, dir());
    assert.match(log.at(-1) ?? "", /^no drift/);
  });

  it("refuses a CI variable that could do more", async () => {
    await failsWith(
      drift((await job({ env: { PULUMI_BACKEND_URL: "postgres://x" } })).job, cli().exec, dir()),
      /^PULUMI_BACKEND_URL is a CI variable, and this job compares and changes nothing/,
    );
  });

  it("refuses a login that could do more, and a database in which it would be the deployer", async () => {
    await failsWith(
      drift((await job({ logins: { ...LOGINS, PULUMI_BACKEND_URL: "postgres://x" } })).job, cli().exec, dir()),
      "Vault's secret/ci/audit/drift has PULUMI_BACKEND_URL; this job compares and changes nothing, so it needs no login that could: leave nothing but PGPASSWORD, GRAFANA_AUTH, SSH_PRIVATE_KEY, SSH_KNOWN_HOSTS, KUBECONFIG there",
    );
    writeFileSync(join(dir(), "Pulumi.vm2.yaml"), "config: {}\n");
    await failsWith(
      drift((await job()).job, cli().exec, dir()),
      "audit:databaseDriftUser is not set in Pulumi.vm2.yaml; make a role without any right, as docs/reference.md, PostgreSQL, says, and deploy",
    );
  });
});
