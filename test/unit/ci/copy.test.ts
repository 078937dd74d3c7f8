import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "mocha";
import { CopiedStack, makeCopy, publishCopy, publishedCopy, settingsWithoutSecrets } from "../../../ci/lib/copy";
import { obtainCredentials } from "../../../ci/lib/credentials";
import type { State } from "../../../ci/lib/placeholders";
import { commands, failsWith, jobWith, tokenFor, vaultWith, type Call } from "./support/job";
import { digest, jobDirectory } from "./support/stack";

const SETTINGS = { "audit:image": digest("a"), "audit:replicas": "2", "audit:memory": "256", "audit:reloadOn": "admin" } as const; // prettier-ignore
const resource = (hash: string) => ({ urn: "urn:r", type: "t", inputs: { hash }, outputs: { hash } });
const stateOf = (hash: string): State => ({ version: 4, deployment: { resources: [resource(hash)] } });

describe("ci: the copy of a stack", () => {
  const dir = jobDirectory();
  const project = () => {
    writeFileSync(join(dir(), "Pulumi.yaml"), "name: audit\nruntime: nodejs\n");
    writeFileSync(
      join(dir(), "Pulumi.vm2.yaml"),
      "secretsprovider: hashivault://pulumi\nencryptedkey: abc\nconfig:\n  audit:replicas: 2\n  audit:registryPassword:\n    secure: v1:xyz\n",
    );
  };
  /** The CLI: makes the stack's salt, and has a plan for each preview. */
  const cli = (...hashes: (string | undefined)[]) => {
    const loaded: State[] = [];
    const found = commands({
      "stack init": ({ line }) => {
        const file = join(/-C (\S+)/.exec(line)?.[1] ?? "", "Pulumi.vm2.yaml");
        writeFileSync(file, `${readFileSync(file, "utf8")}encryptionsalt: v1:salt\n`);
        return {};
      },
      "stack import": ({ line }) => {
        loaded.push(JSON.parse(readFileSync(/--file (\S+)/.exec(line)?.[1] ?? "", "utf8")) as State);
        return {};
      },
      "pulumi preview": ({ line }) => {
        const hash = hashes[loaded.length - 1];
        const plan =
          hash === undefined ? {} : { resourcePlans: { "urn:r": { goal: { inputDiff: { updates: { hash } } } } } };
        writeFileSync(/--save-plan (\S+)/.exec(line)?.[1] ?? "", JSON.stringify(plan));
        return {};
      },
    });
    return { ...found, loaded };
  };

  it("is previewed until the program changes nothing on it", async () => {
    project();
    const { exec, calls, loaded } = cli("second", "third", undefined);
    const copy = await makeCopy(jobWith({}).job, exec, stateOf("first"), SETTINGS, dir());
    assert.deepEqual(copy.deployment.resources, [resource("third")]);
    assert.deepEqual(loaded.map(({ deployment }) => deployment.resources), [[resource("first")], [resource("second")], [resource("third")]]); // prettier-ignore
    assert.deepEqual(loaded[0]?.deployment.secrets_providers, { type: "passphrase", state: { salt: "v1:salt" } });
    const previews = calls.filter(({ line }) => line.startsWith("pulumi preview"));
    assert.equal(previews.length, 3);
    assert.ok(previews[0]?.line.includes(` --config audit:image=${digest("a")} --config audit:replicas=2 `));
  });

  it("that never settles is not published", async () => {
    project();
    await failsWith(
      makeCopy(jobWith({}).job, cli(..."abcdefghij").exec, stateOf("first"), SETTINGS, dir()),
      "a preview on the copy of the state still shows changes after 8 rounds",
    );
  });

  it("gets only those of the job's variables that a program needs, and no working login", async () => {
    project();
    const env = {
      ...{ PATH: "/bin", HOME: "/root", PULUMI_HOME: "/p", NODE_EXTRA_CA_CERTS: "/ca", https_proxy: "http://p" },
      ...{
        VAULT_TOKEN: "hvs.real",
        VAULT_ADDR: "http://v",
        VAULT_ID_TOKEN: "jwt",
        CI_JOB_TOKEN: "job",
        PGPASSWORD: "real",
      },
      ...{
        KUBECONFIG: "/builds/kubeconfig",
        PULUMI_BACKEND_URL: "postgres://real",
        AUDIT_OUTPUTS_FILE: "/deploy.env",
        HARBOR_PASSWORD: "real",
      },
    };
    const { exec, calls } = cli(undefined);
    await makeCopy(jobWith(env).job, exec, stateOf("first"), SETTINGS, dir());
    const seen = (call: Call | undefined) => call?.options.env ?? {};
    const { PULUMI_BACKEND_URL: backend, PULUMI_CONFIG_PASSPHRASE: passphrase, ...rest } = seen(calls.at(-1));
    assert.match(backend ?? "", /^file:\/\//);
    assert.match(passphrase ?? "", /^[0-9a-f]{32}$/);
    assert.deepEqual(rest, {
      ...{ PATH: "/bin", HOME: "/root", PULUMI_HOME: "/p", NODE_EXTRA_CA_CERTS: "/ca", https_proxy: "http://p" },
      ...{ VAULT_TOKEN: "no-login-of-a-preview", PGPASSWORD: "no-login-of-a-preview" },
      ...{
        GRAFANA_HTTP_HEADERS: '{"Authorization":"no-login-of-a-preview"}',
        AUDIT_REGISTRY_PASSWORD: "no-login-of-a-preview",
        KUBECONFIG: "/dev/null",
      },
      PULUMI_SKIP_UPDATE_CHECK: "true",
    });
    for (const call of calls) assert.equal(seen(call).PULUMI_BACKEND_URL, backend, call.line);
  });

  it("has the stack's settings, without the encrypted ones", () => {
    assert.equal(
      settingsWithoutSecrets(
        "secretsprovider: x\nencryptedkey: y\nencryptionsalt: z\nconfig:\n  audit:a: 1\n  audit:b: { secure: c }\n  audit:d: [{ e: { secure: f } }]\n",
      ),
      "config:\n  audit:a: 1\n  audit:b: placeholder\n  audit:d:\n    - e: placeholder\n",
    );
    assert.equal(settingsWithoutSecrets(""), "config: {}\n");
  });

  it("leaves nothing behind", async () => {
    project();
    const { exec, calls } = cli();
    await CopiedStack.with(jobWith({}).job, exec, () => Promise.resolve(), dir());
    assert.throws(() => readFileSync(join(/-C (\S+)/.exec(calls[0]?.line ?? "")?.[1] ?? "", "Pulumi.yaml")), /ENOENT/);
  });

  it("survives a round trip through Vault", async () => {
    const secrets: Record<string, Record<string, unknown>> = {};
    const vault = await vaultWith(secrets, ({ method, path, body }) => {
      if (method !== "PUT") return undefined;
      secrets[path.replace("/v1/secret/data/", "secret/")] = (
        JSON.parse(body) as { data: Record<string, unknown> }
      ).data;
      return { body: { data: { version: 1 } } };
    });
    const { job } = jobWith({ VAULT_ADDR: vault.url, VAULT_ID_TOKEN: tokenFor({}) });
    const credentials = await obtainCredentials(job, "deploy");
    assert.equal(await publishedCopy(job, credentials), undefined);
    const copy = {
      state: stateOf("a"),
      deploy: "deploy v1 by alice",
      versions: { "secret/a": "at version 3 of 2026-01-01T00:00:00Z" },
    };
    assert.ok((await publishCopy(job, credentials, copy)) > 0);
    assert.deepEqual(await publishedCopy(job, credentials), copy);
    assert.deepEqual(Object.keys(secrets), ["secret/ci/audit/state-copy/vm2"]);
    secrets["secret/ci/audit/state-copy/vm2"] = { state: "???", deploy: "" };
    await failsWith(
      publishedCopy(job, credentials),
      "the copy of the state in Vault's secret/ci/audit/state-copy/vm2 cannot be read; the next deploy replaces it",
    );
  });
});
