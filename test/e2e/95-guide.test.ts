import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseDocument, stringify } from "yaml";
import { Registry } from "../../ci/lib/registry";
import { at, DATA_SOURCE, inVm, removeEmptyWorld, ROOT_TOKEN, startEmptyWorld } from "./support/empty-world";
import { Gitlab } from "./support/gitlab";
import { blocksOf, filledIn } from "./support/guide";
import { onHere, Pipelines, secretsOf, tagged } from "./support/pipeline";
import { green } from "./support/pipeline-checks";
import { attached, platform, platformNetwork, platformSubnet, run } from "./support/sandbox";

/**
 * Follows docs/guide.md literally: its blocks are taken from the file and run, with the reader's names replaced, and
 * each administrator runs the file that `audit init` wrote for him. PostgreSQL, Vault and the VM are new; GitLab is a
 * stand-in; Harbor, Prometheus and Grafana are the sandbox's, whose own stack stays as it is. A block that no step here runs fails the scenario.
 */
describe("scenario: the guide, from an empty world to the first tag deploy", function () {
  this.timeout(600_000);
  const sandbox = attached();
  const vaultAddress = `http://${at("vault")}:8200`;
  const passwords = {
    deployer: "password-of-deployer-1",
    drift: "password-of-drift-1",
    pulumi: "password-of-pulumi-1",
  };
  const backend = `postgres://pulumi:${passwords.pulumi}@${at("postgres")}/pulumi?sslmode=disable`;
  const token = "glpat-of-the-guide";
  const written = (name: string): string => join(pipelines.dir, "setup/vm2", name);
  // The registry keeps the tag of an earlier run, which cannot be moved to another image.
  const release = `v0.1.${Date.now()}`;
  let pipelines: Pipelines;
  let gitlab: Gitlab;
  /** The reader's environment: the clone, with the sandbox's CLIs. */
  let desk: NodeJS.ProcessEnv;

  /** Runs a block as the reader does, in one shell. */
  const shell = async (script: string, cwd = pipelines.dir): Promise<string> => {
    const { code, output } = await run(["sh", "-euc", script], desk, undefined, cwd);
    assert.equal(code, 0, `${script}\n${output}`);
    return output;
  };
  /** The blocks of a step, which are all shell. */
  const blocks = (step: number, count: number): string[] => {
    const found = blocksOf(step);
    assert.deepEqual(found.map(({ language }) => language), Array(count).fill("sh"), `step ${step}`); // prettier-ignore
    return found.map(({ text }) => text);
  };

  before("an empty world, and a clone", async () => {
    [pipelines, gitlab] = await Promise.all([
      Pipelines.open(sandbox()),
      Gitlab.start(token),
      startEmptyWorld(sandbox()),
    ]);
    const home = join(pipelines.dir, ".gitlab-ci-local/desk");
    mkdirSync(join(home, ".ssh"), { recursive: true, mode: 0o700 });
    // ssh does not heed HOME.
    const own = join(home, ".ssh");
    const options = `-o IdentityFile=${own}/id_ed25519 -o UserKnownHostsFile=${own}/known_hosts -o BatchMode=yes`;
    writeFileSync(join(home, "ssh"), `#!/bin/sh\nexec /usr/bin/ssh ${options} "$@"\n`);
    chmodSync(join(home, "ssh"), 0o755);
    desk = {
      PATH: `${home}:${sandbox().get("PATH")}`,
      PULUMI_HOME: sandbox().get("PULUMI_HOME"),
      PULUMI_SKIP_UPDATE_CHECK: "true",
      HOME: home,
      GITLAB_TOKEN: token,
      AUDIT_REGISTRY_PASSWORD: sandbox().get("AUDIT_REGISTRY_PASSWORD"),
    };
    await shell(`ssh-keygen -q -t ed25519 -N '' -f ${own}/id_ed25519; ssh-keyscan ${at("vm")} > ${own}/known_hosts`);
  });

  after("and the sandbox as it was", async () => {
    gitlab.close();
    await removeEmptyWorld(sandbox());
    await pipelines.close();
  });

  it("step 2: init writes the files from answers", async () => {
    const path = join(pipelines.dir, "Pulumi.vm2.yaml");
    const file = parseDocument(readFileSync(path, "utf8"));
    // The servers of this world have no TLS. Everything else is as init has it.
    file.setIn(["config", "audit:databaseSslMode"], "disable");
    writeFileSync(path, file.toString({ lineWidth: 0 }));
    const image = async (name: string) =>
      `${pipelines.harbor}/audit/${name}:${(await pipelines.tagsOf(name))[0] ?? assert.fail(name)}`;
    const answers = {
      hostAddress: `ssh://deploy@${at("vm")}`,
      image: `${pipelines.harbor}/audit/audit-svc`,
      registryUsername: "vm2-puller",
      edgeImage: await image("nginx"),
      exporterImage: await image("nginx-exporter"),
      vaultImage: await image("vault"),
      databaseHost: at("postgres"),
      vaultAddress,
      applications: ["billing", "crm"],
      serviceUrl: `http://${at("vm")}`,
      prometheusUrl: sandbox().get("PROMETHEUS_URL"),
      prometheus: "docker",
      prometheusHost: "unix:///var/run/docker.sock",
      prometheusImage: (await run(["docker", "inspect", "--format", "{{.Config.Image}}", platform("prometheus")], onHere)).stdout.trim(), // prettier-ignore
      prometheusTargets: `${platformNetwork}-prometheus-targets`,
      prometheusRules: `${platformNetwork}-prometheus-rules`,
      edgeMetricsAllow: [`${platformSubnet}.13`],
      grafanaUrl: sandbox().get("GRAFANA_URL"),
      grafanaDataSource: DATA_SOURCE,
      ...{ "gitlab.url": gitlab.url, "gitlab.project": "team/audit", "gitlab.projectId": 42 },
    };
    writeFileSync(join(pipelines.dir, "answers.yaml"), stringify(answers));
    const [init = ""] = blocks(2, 1);
    const said = await shell(
      filledIn(init, {
        // The clone is as after it.
        "npm ci --ignore-scripts": "true",
        "audit init --write": "audit init --write --answers answers.yaml",
      }),
    );
    assert.doesNotMatch(said, /Doubtful/);
    assert.doesNotMatch(readFileSync(path, "utf8"), /\bSET\b|example\.com/);
  });

  it("step 3: the administrators run theirs", async () => {
    const [vault = "", database = "", vm = ""] = blocks(3, 3);
    const commands = filledIn(vault, {
      "https://vault.example.com:8200": vaultAddress,
      "VAULT_TOKEN=…": `VAULT_TOKEN=${ROOT_TOKEN}`,
    });
    await shell(commands);
    const sql = filledIn(readFileSync(written("database.sql"), "utf8"), {
      "CREATEDB PASSWORD '…'": `CREATEDB PASSWORD '${passwords.deployer}'`,
      "CREATE ROLE \"drift\" LOGIN PASSWORD '…'": `CREATE ROLE "drift" LOGIN PASSWORD '${passwords.drift}'`,
      "CREATE ROLE pulumi LOGIN PASSWORD '…'": `CREATE ROLE pulumi LOGIN PASSWORD '${passwords.pulumi}'`,
    });
    writeFileSync(written("database.sql"), sql);
    await shell(`export PGHOST=${at("postgres")} PGUSER=postgres\n${database}`, join(pipelines.dir, "setup/vm2"));
    for (const name of ["vm.sh", "docker-read.sh"])
      await inVm(`cat > /root/${name}`, readFileSync(written(name), "utf8"));
    const line = filledIn(vm, { "https://vault.example.com:8200": vaultAddress });
    await inVm(`cd /root; ${line}`);
    await inVm(`cd /root; ${line}`);
    const promtool = [
      "docker",
      "exec",
      "--interactive",
      platform("prometheus"),
      "promtool",
      "check",
      "config",
      "/dev/stdin",
    ];
    const { code, output } = await run(promtool, onHere, readFileSync(written("prometheus.yml"), "utf8"));
    assert.equal(code, 0, output);
  });

  it("step 4: the pipeline's logins", async () => {
    const known = await shell(`ssh-keyscan ${at("vm")} 2> /dev/null`);
    const deploy = {
      PULUMI_BACKEND_URL: backend,
      PGPASSWORD: passwords.deployer,
      GRAFANA_AUTH: sandbox().get("GRAFANA_AUTH"),
      AUDIT_REGISTRY_PASSWORD: sandbox().get("AUDIT_REGISTRY_PASSWORD"),
      SSH_KNOWN_HOSTS: known,
    };
    const publish = {
      ...{ HARBOR_HOST: pipelines.harbor, HARBOR_URL: `http://${pipelines.harbor}`, HARBOR_PROJECT: "audit" },
      ...{ HARBOR_USERNAME: "pusher", HARBOR_PASSWORD: secretsOf()["registry-pusher"] },
    };
    const [put = ""] = blocks(4, 1);
    for (const [purpose, secret] of Object.entries({ deploy, publish })) {
      writeFileSync(join(pipelines.dir, `${purpose}.json`), JSON.stringify(secret));
      await shell(`export VAULT_ADDR=${vaultAddress} VAULT_TOKEN=${ROOT_TOKEN}\n${put.replaceAll("deploy", purpose)}`);
    }
  });

  it("steps 5 and 6: the stack, and a doctor that finds nothing wrong", async () => {
    const [stack = ""] = blocks(5, 1);
    const [doctor = ""] = blocks(6, 1);
    const lines = filledIn(stack, {
      "postgres://pulumi:…@postgres.example.com/pulumi?sslmode=verify-full": backend,
      "https://vault.example.com:8200": vaultAddress,
      "VAULT_SERVER_TOKEN=…": `VAULT_SERVER_TOKEN=${ROOT_TOKEN}`,
      "git push": "true",
    });
    const said = await shell(
      `${lines}\n${filledIn(doctor, {
        "PGPASSWORD=… AUDIT_REGISTRY_PASSWORD=…": `PGPASSWORD=${passwords.deployer}`,
        "vault.json #": "vault.json --all #",
        '{"Authorization": "Bearer …"}': sandbox().get("GRAFANA_HTTP_HEADERS"),
      })}`,
    );
    assert.match(said, /\d+ ok, 1 warning, 0 failures/);
    assert.match(said, /VAULT_TOKEN is a root token/);
    const skipped = [...said.matchAll(/^ {2}- {8}(.+?) {2,}/gm)].map(([, title]) => title);
    // This world has no TLS, and only a job can ask its runner.
    const of = ["Vault", "PostgreSQL", "Prometheus", "Grafana"].map((server) => `${server}'s certificate`);
    assert.deepEqual(skipped, [...of, "user namespaces"]);
    for (const secret of [...Object.values(passwords), ROOT_TOKEN, token]) assert.ok(!said.includes(secret));
  });

  /** The tag's pipeline, as this world's GitLab and Vault know it. */
  const first = (variables: Record<string, string> = {}) => ({
    ...tagged(release, { AUDIT_STACK: "vm2", VAULT_ADDR: vaultAddress, ...variables }),
    claims: { aud: vaultAddress, iss: gitlab.url, project_id: "42" },
  });

  it("and a job deploy that changes nothing while its doctor finds something", async () => {
    await onDatabase("ALTER ROLE drift CREATEDB");
    const { errors, log } = await pipelines.run(first({ IMAGE: `${pipelines.harbor}/audit/audit-svc@sha256:${"1".repeat(64)}` }), "deploy"); // prettier-ignore
    await onDatabase("ALTER ROLE drift NOCREATEDB");
    assert.match(log, /FAILURE +the role of the job drift[^]*cure: as the administrator: ALTER ROLE drift NOSUPERUSER/);
    assert.match(errors.join("\n"), /nothing was deployed: audit doctor has found failures/);
    assert.doesNotMatch(log, /Updating \(vm2\)/);
  });

  const onDatabase = (sql: string) => shell(`psql -h ${at("postgres")} -U postgres -Xqc '${sql}'`);

  it("step 7: the first tag is deployed, and an event goes in and comes out", async () => {
    const [tag = ""] = blocks(7, 1);
    await shell(filledIn(tag, { "git push origin v0.1.0": "true", "v0.1.0": release }));
    // As the default branch's pipeline leaves it (85-pipeline.test.ts).
    const access = { host: pipelines.harbor, url: `http://${pipelines.harbor}` };
    const harbor = new Registry({ ...access, username: "pusher", password: secretsOf()["registry-pusher"] });
    const [built = ""] = (await pipelines.tagsOf("audit-svc")).filter((name) => !name.endsWith(".sig"));
    const manifest = (await harbor.manifest("audit/audit-svc", built)) ?? assert.fail(built);
    await harbor.tag("audit/audit-svc", (await shell("git rev-parse HEAD")).trim(), manifest);

    const { log } = green(await pipelines.run(first()));
    assert.match(log, /\d+ ok, \d+ warnings, 0 failures/, "the pipeline's doctor");
    assert.match(log, /release none -> /);
    assert.match(log, /ok: an event went in and came out/);
    assert.match(log, /ok: Prometheus has \d+ targets/);
    const id = randomUUID();
    const event = {
      id,
      application: "billing",
      actor: "anna",
      action: "login",
      resource: "console",
      outcome: "success",
    };
    const sent = await fetch(`http://${at("vm")}/v1/events`, {
      method: "POST",
      headers: { authorization: `Bearer ${await tokenOf("writer-billing")}`, "content-type": "application/json" },
      body: JSON.stringify({ ...event, occurredAt: new Date().toISOString() }),
    });
    assert.equal(sent.status, 201, await sent.text());
  });

  const tokenOf = async (holder: string): Promise<string> =>
    (await shell(`VAULT_ADDR=${vaultAddress} VAULT_TOKEN=${ROOT_TOKEN} vault kv get -field=token secret/audit-svc/vm2-tokens/${holder}`)).trim(); // prettier-ignore
});
