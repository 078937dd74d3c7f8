import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { describe, it } from "mocha";
import { releaseId } from "../../../components/release/release";
import { deploy } from "../../../ci/deploy";
import { failed } from "../../../ci/lib/stack";
import { commands, failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import type { Asked } from "./support/servers";
import { digest, jobDirectory, login, onTag, output, OUTPUTS, SECRETS, settings, ups } from "./support/stack";

describe("ci: deploy", () => {
  const dir = jobDirectory();
  const after = { ...OUTPUTS, image: digest("c"), release: "cccccccccccc" };

  it("deploys the image and keeps a record", async () => {
    let deployed = false;
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": () => ({ stdout: JSON.stringify(deployed ? after : OUTPUTS) }),
      "pulumi up": () => {
        deployed = true;
        return {};
      },
    });
    const { job, log } = jobWith({ ...(await login("deploy")), ...onTag });
    await deploy(job, exec);
    assert.deepEqual(ups(calls), [
      `pulumi up --yes --skip-preview --suppress-progress --message deploy v1.2.0 by alice: release aaaaaaaaaaaa -> ${releaseId({ image: digest("c") })} (sha256:cccccccccccc); https://gitlab.example.com/p/1 --config audit:image=${digest("c")} --config audit:replicas=2 --config audit:memory=256 --config audit:reloadOn=admin --stack vm2 --non-interactive --color never`,
    ]);
    assert.ok(log.includes("release aaaaaaaaaaaa -> cccccccccccc"));
  });

  it("gives the program its logins in the environment, and nothing that it does not need", async () => {
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({}),
    });
    const extra = { HARBOR_PASSWORD: "of-the-robot", GITLAB_TOKEN: "glpat-x", CI_JOB_TOKEN: "job-token" };
    await deploy(jobWith({ ...(await login("deploy")), ...onTag, ...extra }).job, exec);
    const { env = {} } = calls.find(({ line }) => line.startsWith("pulumi up"))?.options ?? {};
    assert.equal(env.PGPASSWORD, "of-the-deployer");
    assert.equal(env.VAULT_TOKEN, "hvs.the-token-of-the-job");
    assert.equal(env.PULUMI_BACKEND_URL, "postgres://state:of-the-state@db/state?sslmode=verify-full");
    assert.equal(env.VAULT_SERVER_TOKEN, "hvs.the-token-of-the-job");
    for (const name of ["VAULT_ID_TOKEN", "HARBOR_PASSWORD", "GITLAB_TOKEN", "CI_JOB_TOKEN", "SSH_PRIVATE_KEY"])
      assert.equal(env[name], undefined, name);
    for (const { line } of calls)
      for (const secret of Object.values(SECRETS)) assert.equal(line.includes(secret), false);
  });

  it("compresses the state unless the pipeline's variables say how", async () => {
    const compressed = async (more: Record<string, string>) => {
      const { exec, calls } = commands({
        "pulumi config": settings,
        "stack output": output(OUTPUTS),
        "pulumi up": () => ({}),
      });
      await deploy(jobWith({ ...(await login("deploy")), ...onTag, ...more }).job, exec);
      const { env = {} } = calls.find(({ line }) => line.startsWith("pulumi up"))?.options ?? {};
      return env.PULUMI_DIY_BACKEND_GZIP;
    };
    assert.equal(await compressed({}), "true");
    assert.equal(await compressed({ PULUMI_DIY_BACKEND_GZIP: "false" }), "false");
    assert.equal(await compressed({ PULUMI_DIY_BACKEND_ZSTD: "true" }), undefined);
    assert.equal(await compressed({ PULUMI_SELF_MANAGED_STATE_GZIP: "false" }), undefined);
  });

  it("publishes a copy of the state without its secrets, for previews", async () => {
    const password = {
      "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
      plaintext: '"of-the-service"',
    };
    const { exec } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({}),
      "stack export --show-secrets": output({
        version: 4,
        deployment: {
          resources: [
            { urn: "u", type: "t", inputs: { password } },
            { urn: "s", type: "vault:kv/secretV2:SecretV2", outputs: { mount: "secret", name: "audit-svc/vm2" } },
          ],
        },
      }),
      "stack init": () => ({}),
      "stack import": () => ({}),
      "pulumi preview": ({ line }) => {
        writeFileSync(/--save-plan (\S+)/.exec(line)?.[1] ?? "", "{}");
        return {};
      },
    });
    const put: Asked[] = [];
    const vault = await vaultWith({ "secret/ci/audit/deploy": SECRETS }, (asked) => {
      if (asked.path === "/v1/secret/metadata/audit-svc/vm2")
        return { body: { data: { current_version: 7, versions: { 7: { created_time: "2026-01-07" } } } } };
      return asked.method === "PUT" && put.push(asked) > 0 ? { body: {} } : undefined;
    });
    const { job, log } = jobWith({ VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}), ...onTag });
    await deploy(job, exec);
    assert.equal(put[0]?.path, "/v1/secret/data/ci/audit/state-copy/vm2");
    const { data } = JSON.parse(put[0].body) as {
      data: { state: string; deploy: string; versions: object };
    };
    assert.deepEqual(data.versions, { "secret/audit-svc/vm2": "at version 7 of 2026-01-07" });
    assert.match(data.deploy, /^deploy v1\.2\.0 by alice: release /);
    assert.match(gunzipSync(Buffer.from(data.state, "base64")).toString(), /"plaintext":"\\"placeholder-/);
    assert.equal(log.at(-1), "published a copy of the state without its secrets, for previews and drift (1 KiB)");
  });

  it("succeeds with a warning when the copy cannot be made, because the release is active", async () => {
    const { exec } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({}),
      "stack export": () => ({ code: 255, all: "error: could not decrypt\n" }),
    });
    const { job, log } = jobWith({ ...(await login("deploy")), ...onTag });
    await deploy(job, exec);
    assert.equal(
      log.at(-1),
      "warning: previews and drift keep using the copy of an earlier deploy: Pulumi could not export the state of stack vm2: could not decrypt",
    );
  });

  it("refuses an image that is not from the stack's repository: the registry's password would follow it", async () => {
    const tried = async (image: string, own: string | undefined, deployed: string | undefined) => {
      const { exec, calls } = commands({
        "pulumi config": output(own === undefined ? {} : { "audit:image": { value: own } }),
        "stack output": output({ ...OUTPUTS, image: deployed }),
      });
      await failsWith(
        deploy(jobWith({ ...(await login("deploy")), ...onTag, IMAGE: image }).job, exec),
        `IMAGE ${image} is not from the stack's repository, ${own === undefined ? "which audit:image does not name" : "harbor.example.com/audit/audit-svc"}; set audit:image in the stack's file to an image of the one that is meant`,
      );
      assert.deepEqual(ups(calls), []);
    };
    const hash = `@sha256:${"c".repeat(64)}`;
    for (const elsewhere of [
      "mallory.example/audit/audit-svc",
      "harbor.example.com:8443/audit/audit-svc",
      "harbor.example.com/mallory/audit-svc",
      "harbor.example.com/audit/audit-svc/x",
    ])
      // prettier-ignore
      await tried(`${elsewhere}${hash}`, digest("a"), digest("b"));
    await tried(digest("c"), undefined, undefined);
  });

  it("does not begin when something newer is deployed", async () => {
    const newer = {
      ...{ kind: "update", result: "succeeded", startTime: "2026-11-29T10:00:00.000Z" },
      message: "deploy v1.3.0 by bob: release x -> y (sha256:0); https://gitlab.example.com/p/-/pipelines/8",
    };
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "stack history": output([newer]),
    });
    const env = { ...(await login("deploy")), ...onTag, CI_COMMIT_SHA: "c0ffee", CI_PIPELINE_ID: "7" };
    await failsWith(
      deploy(jobWith(env).job, exec),
      /^v1\.2\.0 is older than what is deployed, "deploy v1\.3\.0 by bob: /,
    );
    assert.deepEqual(ups(calls), []);
    assert.equal(
      calls.some(({ line }) => line.includes("docker version")),
      false,
    );
  });

  it("refuses a ref that is not protected, before it logs in anywhere", async () => {
    const { exec, calls } = commands({});
    await failsWith(
      deploy(jobWith({ ...onTag, CI_COMMIT_REF_PROTECTED: "false" }).job, exec),
      "v1.2.0 is not protected, and only protected tags are deployed; see Settings > Repository > Protected tags",
    );
    assert.equal(calls.length, 0);
  });

  it("refuses without an image, or with one that is not by digest", async () => {
    const { exec } = commands({});
    await failsWith(
      deploy(jobWith({ ...onTag, IMAGE: "" }).job, exec),
      "IMAGE is not set; the image job hands it on; is there an image for this tag?",
    );
    await failsWith(
      deploy(jobWith({ ...onTag, IMAGE: "harbor.example.com/audit/audit-svc:v1" }).job, exec),
      "IMAGE must name an image by digest, registry/name@sha256:<64 hex>; a tag can move under a running release; the image job writes it as host/project/name@sha256:…",
    );
  });

  /** A stack without a deploy, looked at by a doctor that ends with this code. */
  const first = async (code: number, env = {}) => {
    const { exec, calls } = commands({
      ...{ "audit.mjs doctor": () => ({ code }), "pulumi config": output({ "audit:image": { value: digest("0") } }) },
      ...{ "stack output": output({}), "pulumi up": () => ({}), "stack export": () => ({ code: 255 }) },
    });
    const { job } = jobWith({ ...(await login("deploy")), ...onTag, ...env });
    return { done: deploy(job, exec), calls, looked: () => calls.filter(({ line }) => line.includes("audit.mjs")) };
  };

  it("has the doctor look before a first deploy, with the job's logins, and its lines in the log", async () => {
    const { done, calls, looked } = await first(0);
    await done;
    assert.match(looked()[0]?.line ?? "", /\/cli\/audit\.mjs doctor --stack vm2$/);
    assert.equal(looked()[0]?.options.env?.PGPASSWORD, SECRETS.PGPASSWORD);
    assert.equal(typeof looked()[0]?.options.echo, "function");
    assert.equal(ups(calls).length, 1);
  });

  it("changes nothing if the doctor finds a failure, unless WITHOUT_DOCTOR says so", async () => {
    const { done, calls } = await first(1);
    await failsWith(done, /^nothing was deployed: audit doctor has found failures, see above/);
    assert.deepEqual(ups(calls), []);
    const without = await first(1, { WITHOUT_DOCTOR: "true" });
    await without.done;
    assert.deepEqual([without.looked(), ups(without.calls).length], [[], 1]);
  });

  it("ends with the CLI's own first error, and passes on no outputs of an earlier deploy", async () => {
    const file = join(dir(), "deploy.env");
    writeFileSync(file, "RELEASE=of-an-earlier-job\n");
    const all = `Updating (vm2):\n\nDiagnostics:\n  command:local:Command (audit-svc-migrate):\n    error: exit status 1: running "ssh": migration 7 failed\n\n  pulumi:pulumi:Stack (audit-vm2):\n    error: update failed\n`;
    const { exec } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({ code: 255, all }),
    });
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag, AUDIT_OUTPUTS_FILE: file }).job, exec),
      `Pulumi could not deploy ${digest("c")}: exit status 1: running "ssh": migration 7 failed`,
    );
    assert.throws(() => readFileSync(file), /ENOENT/);
  });

  it("does not begin when the VM cannot be reached", async () => {
    const away = { code: 255, all: "ssh: connect to host vm2.example.com port 22: Connection refused\n" };
    const { exec, calls } = commands({
      "docker version": () => away,
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
    });
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, exec),
      "the VM at ssh://deploy@vm2.example.com (audit:hostAddress) cannot be reached, so nothing was changed: ssh: connect to host vm2.example.com port 22: Connection refused",
    );
    assert.deepEqual(ups(calls), []);
  });

  it("gives ssh the stack's options, and does not begin when they are no list", async () => {
    const tried = (options: string) => {
      const { exec, calls } = commands({
        "pulumi config": output({
          "audit:hostAddress": { value: "ssh://deploy@vm2.example.com" },
          "audit:hostSshOptions": { value: options },
        }),
        "stack output": output(OUTPUTS),
        "pulumi up": () => ({}),
      });
      return { calls, done: async () => deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, exec) };
    };
    const right = tried('["-F", "ssh/config"]');
    await right.done();
    assert.ok(right.calls.some(({ line }) => line.startsWith("ssh -F ssh/config -- ssh://deploy@vm2.example.com ")));
    for (const options of ["-F ssh/config", "", '""', '{"a":1}', "[1]", "null"]) {
      const { calls, done } = tried(options);
      await failsWith(done(), 'audit:hostSshOptions must be a list such as ["-F", "ssh/config"]');
      assert.deepEqual(ups(calls), []);
    }
  });

  it("names the setting whose number is none", async () => {
    const tried = async (key: string, value: string, message: string) => {
      const { exec, calls } = commands({
        "pulumi config": output({ [key]: { value } }),
        "stack output": output(OUTPUTS),
      });
      await failsWith(deploy(jobWith({ ...(await login("deploy")), ...onTag }).job, exec), message);
      assert.deepEqual(ups(calls), []);
    };
    for (const value of ["", "abc", "0", "17", "1.5", "1e1"])
      await tried(
        "audit:replicas",
        value,
        `audit:replicas of stack vm2 must be a whole number from 1 to 16, not "${value}"`,
      );
    for (const value of ["", "256M"])
      await tried("audit:memory", value, `audit:memory of stack vm2 must be a whole number above 0, not "${value}"`);
  });

  it("goes back to the release in the other slot", async () => {
    const { exec, calls } = commands({
      "pulumi config": settings,
      "stack output": output(OUTPUTS),
      "pulumi up": () => ({}),
    });
    await deploy(jobWith({ ...(await login("deploy")), ...onTag, IMAGE: undefined }, "rollback").job, exec);
    assert.ok(
      ups(calls)[0]?.includes(
        `--config audit:image=${digest("b")} --config audit:replicas=3 --config audit:memory=512 `,
      ),
    );
    assert.ok(
      ups(calls)[0]?.includes(
        "--message rollback from v1.2.0 by alice: release aaaaaaaaaaaa -> bbbbbbbbbbbb (sha256:bbbbbbbbbbbb);",
      ),
    );
  });

  it("leaves links for the job's page: service, dashboards, status", async () => {
    const { exec } = commands({ "pulumi config": settings, "stack output": output(OUTPUTS), "pulumi up": () => ({}) });
    const file = join(dir(), "links.json");
    await deploy(jobWith({ ...(await login("deploy")), ...onTag, AUDIT_LINKS_FILE: file }).job, exec);
    const { audit } = JSON.parse(readFileSync(file, "utf8")) as { audit: { external_link: object }[] };
    assert.deepEqual(audit.map((link) => link.external_link), [
      { label: "Service", url: "http://vm2.example.com" },
      { label: "Dashboard of the service", url: "https://grafana.example.com/d/audit" },
      { label: "Dashboard of Nginx", url: "https://grafana.example.com/d/nginx" },
      { label: "Status: the job status of this pipeline", url: "https://gitlab.example.com/p/1" },
    ]); // prettier-ignore
  });

  it("says when there is nothing to go back to", async () => {
    const first = { ...OUTPUTS, releases: { active: "blue", slots: { blue: OUTPUTS.releases.slots.blue } } };
    const { exec } = commands({ "pulumi config": settings, "stack output": output(first) });
    await failsWith(
      deploy(jobWith({ ...(await login("deploy")), ...onTag }, "rollback").job, exec),
      "there is no former release to go back to",
    );
  });

  it("names the logins that are missing", async () => {
    const vault = await vaultWith({ "secret/ci/audit/deploy": { PGPASSWORD: "of-the-deployer" } });
    const env = { VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}), ...onTag };
    await failsWith(
      deploy(jobWith(env).job, commands({}).exec),
      "PULUMI_BACKEND_URL, GRAFANA_AUTH: neither a CI variable nor in Vault at secret/ci/audit/deploy",
    );
  });

  it("continues to the reason if the CLI's first lines only announce it", () => {
    const output = [
      "    error: update failed",
      '    error: exit status 1: running "node --require tsx/cjs steps/load-rules.ts":',
      "    The alert rules are not in force:",
      "      - Prometheus has no rule group audit-svc-vm2",
      "    Its rule_files read /etc/prometheus/rules/*.yml",
    ].join("\n");
    assert.equal(
      failed("deploy it", output).message,
      'Pulumi could not deploy it: exit status 1: running "node --require tsx/cjs steps/load-rules.ts": The alert rules are not in force: - Prometheus has no rule group audit-svc-vm2',
    );
  });
});
