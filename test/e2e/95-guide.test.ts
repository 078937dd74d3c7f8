import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseDocument } from "yaml";
import { times } from "../support/depth";
import { blocksOf, filledIn } from "./support/guide";
import { pushBaseImages } from "./support/hub";
import { addressOf, onVm2, Pipelines, secretsOf, tagged } from "./support/pipeline";
import { green } from "./support/pipeline-checks";
import { attached, platformNetwork, root, run, sandbox as cli, until } from "./support/sandbox";

/**
 * Follows docs/guide.md literally: its blocks are taken from the file and run, with the reader's names replaced. Where
 * the guide starts from nothing, so does this: with a new PostgreSQL and Vault, and VM2 without the user `deploy`.
 * Harbor, Prometheus and Grafana are the sandbox's. A block that no step here runs fails the scenario.
 *
 * It takes four minutes, so it runs only with THOROUGH=1.
 */
if (times(0, 1) > 0)
  describe("scenario: the guide, from an empty project to the first tag deploy", function () {
    this.timeout(900_000);
    const sandbox = attached();
    const subnet = addressOf("vm2").replace(/\.\d+$/, "");
    const at = { postgres: `${subnet}.40`, vault: `${subnet}.41` };
    const vaultAddress = `http://${at.vault}:8200`;
    const rootToken = "root-token-of-the-guide";
    const passwords = {
      deployer: "password-of-deployer-1",
      drift: "password-of-drift-1",
      pulumi: "password-of-pulumi-1",
    };
    const backend = `postgres://pulumi:${passwords.pulumi}@${at.postgres}/pulumi?sslmode=disable`;
    const imageName = `guide-${Date.now()}`;
    const onHere = { ...process.env, DOCKER_HOST: undefined };
    let pipelines: Pipelines;
    /** The reader's environment: the clone, with the sandbox's CLIs. */
    let desk: NodeJS.ProcessEnv;

    const docker = async (...args: string[]) => {
      const { code, output, stdout } = await run(["docker", ...args], onHere);
      assert.equal(code, 0, output);
      return stdout.trim();
    };
    const shell = async (script: string, input?: string) => {
      const { code, output, stdout } = await run(["sh", "-euc", script], desk, input, pipelines.dir);
      assert.equal(code, 0, `${script}\n${output}`);
      return stdout;
    };
    // By hand: usermod refuses while somebody is logged in, as the shared connection of the sandbox's ssh is.
    const rename = (from: string, to: string): string =>
      `sed -i 's/^${from}:/${to}:/; /^docker:/s/\\b${from}\\b/${to}/; /^${to}:/s#/home/${from}#/home/${to}#' /etc/passwd /etc/shadow /etc/group; ` +
      `mv /home/${from} /home/${to}`;
    const debianSshd = // as it begins there
      "mkdir -p /etc/ssh/sshd_config.d; sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config";
    const imageOf = (part: string) => docker("inspect", "--format", "{{.Config.Image}}", `${platformNetwork}-${part}`);

    before("an empty world", async () => {
      await sandbox().mustPulumi("destroy", "--yes", "--skip-preview");
      await docker("rm", "--force", `${platformNetwork}-guide-postgres`, `${platformNetwork}-guide-vault`);
      const start = async (part: "postgres" | "vault", ...args: string[]) =>
        docker(
          ...["run", "--detach", "--name", `${platformNetwork}-guide-${part}`, "--network", platformNetwork],
          ...["--ip", at[part], ...args],
        );
      await start("postgres", "--env", "POSTGRES_HOST_AUTH_METHOD=trust", await imageOf("postgres"));
      const dev = ["-dev", `-dev-root-token-id=${rootToken}`, "-dev-listen-address=0.0.0.0:8200"];
      await start(
        "vault",
        "--env",
        "SKIP_SETCAP=true",
        "--entrypoint",
        "vault",
        await imageOf("vault"),
        "server",
        ...dev,
      );
      pipelines = await Pipelines.open(sandbox());
      await pushBaseImages();
      desk = {
        PATH: sandbox().get("PATH"),
        PULUMI_HOME: sandbox().get("PULUMI_HOME"),
        PULUMI_SKIP_UPDATE_CHECK: "true",
        HOME: join(pipelines.dir, ".gitlab-ci-local"),
        VAULT_ADDR: vaultAddress,
        VAULT_TOKEN: rootToken,
      };
      await onVm2(`${rename("deploy", "former")}; ${debianSshd}`);
    });

    after("and the sandbox as it was", async () => {
      await run(["pulumi", "destroy", "--yes", "--skip-preview", "--exclude-protected", "--stack", "vm2"], {
        ...desk,
        ...deployLogins(),
        PULUMI_BACKEND_URL: backend,
        VAULT_SERVER_URL: vaultAddress,
        VAULT_SERVER_TOKEN: rootToken,
      }, undefined, pipelines.dir); // prettier-ignore
      await onVm2(
        "docker ps -aq | xargs -r docker rm -f; docker volume ls -q | xargs -r docker volume rm -f; docker network prune -f; " +
          "sed -i '/sshd_config.d/d' /etc/ssh/sshd_config; rm -rf /etc/ssh/sshd_config.d /etc/ssh/vault-ca.pub; " +
          `userdel --force --remove deploy; ${rename("former", "deploy")}; kill -HUP $(pgrep -o -x sshd)`,
      );
      await docker("rm", "--force", "--volumes", `${platformNetwork}-guide-postgres`, `${platformNetwork}-guide-vault`);
      await pipelines.close();
      const { code, output } = await cli(["up"]);
      assert.equal(code, 0, output);
    });

    const deployLogins = () => ({
      PULUMI_BACKEND_URL: backend,
      PGPASSWORD: passwords.deployer,
      GRAFANA_AUTH: sandbox().get("GRAFANA_AUTH"),
      AUDIT_REGISTRY_PASSWORD: sandbox().get("AUDIT_REGISTRY_PASSWORD"),
    });

    it("step 3: PostgreSQL", async () => {
      const [sql, ...more] = blocksOf(3);
      assert.deepEqual([sql?.language, more], ["sql", []]);
      const text = filledIn(sql?.text ?? "", {
        "CREATEDB PASSWORD '…'": `CREATEDB PASSWORD '${passwords.deployer}'`,
        "CREATE ROLE drift LOGIN PASSWORD '…'": `CREATE ROLE drift LOGIN PASSWORD '${passwords.drift}'`,
        "CREATE ROLE pulumi LOGIN PASSWORD '…'": `CREATE ROLE pulumi LOGIN PASSWORD '${passwords.pulumi}'`,
      });
      const psql = [
        "docker",
        "exec",
        "--interactive",
        `${platformNetwork}-guide-postgres`,
        "psql",
        "-XqU",
        "postgres",
        "-h",
        at.postgres,
      ];
      await until("PostgreSQL", 60, async () =>
        (await run([...psql, "-c", "SELECT 1"], onHere)).code === 0 ? true : undefined,
      );
      const { code, output } = await run([...psql, "-v", "ON_ERROR_STOP=1"], onHere, text);
      assert.equal(code, 0, output);
    });

    let authority: string;
    it("step 4: Vault", async () => {
      const [file, setUp, put, read, ...more] = blocksOf(4);
      assert.deepEqual([file?.language, setUp?.language, put?.language, read?.language, more], ["json", "sh", "sh", "sh", []]); // prettier-ignore
      const settings = JSON.parse(
        filledIn(file?.text ?? "", {
          "https://gitlab.example.com": "https://gitlab.sandbox.test",
          "https://vault.example.com:8200": vaultAddress,
          "10.0.0.20": addressOf("vm2"),
        }),
      ) as { gitlab: object };
      // There is no GitLab that Vault could ask for its keys.
      const publicKeys = [readFileSync(join(root, ".sandbox/gitlab/public.pem"), "utf8")];
      const written = { ...settings, gitlab: { ...settings.gitlab, publicKeys } };
      writeFileSync(join(pipelines.dir, "vault.json"), JSON.stringify(written));
      const commands = filledIn(setUp?.text ?? "", {
        "https://vault.example.com:8200": vaultAddress,
        "VAULT_TOKEN=…": `VAULT_TOKEN=${rootToken}`,
        // The clone is as after it.
        "npm ci --ignore-scripts": "true",
      });
      await until("Vault", 60, async () => ((await fetch(`${vaultAddress}/v1/sys/health`)).ok ? true : undefined));
      await shell(commands);
      assert.match(await shell(commands), /nothing to change/);

      const hosts = await shell(`ssh-keyscan ${addressOf("vm2")} 2>/dev/null`);
      const deploy = { ...deployLogins(), SSH_KNOWN_HOSTS: hosts };
      const purposes = {
        deploy,
        drift: { PGPASSWORD: passwords.drift, GRAFANA_AUTH: deploy.GRAFANA_AUTH, SSH_KNOWN_HOSTS: hosts },
        preview: { ...deployLogins(), PGPASSWORD: "any", GRAFANA_AUTH: "any:any" },
        publish: {
          HARBOR_HOST: pipelines.harbor,
          HARBOR_URL: `http://${pipelines.harbor}`,
          HARBOR_PROJECT: "audit",
          HARBOR_USERNAME: "pusher",
          HARBOR_PASSWORD: secretsOf()["registry-pusher"],
        },
      };
      for (const [purpose, secret] of Object.entries(purposes)) {
        writeFileSync(join(pipelines.dir, `${purpose}.json`), JSON.stringify(secret));
        await shell((put?.text ?? "").replaceAll("deploy", purpose));
      }
      authority = (await shell(read?.text ?? "")).trim();
      assert.match(authority, /^ssh-rsa /);
    });

    it("step 5: VM2; and promtool accepts Prometheus's settings", async () => {
      const [login, byFile, byHttp, ...more] = blocksOf(5);
      assert.deepEqual([login?.language, byFile?.language, byHttp?.language, more], ["sh", "yaml", "yaml", []]);
      const commands = filledIn(login?.text ?? "", {
        "ssh-rsa AAAA… (from above)": authority,
        // There is no systemd in the sandbox's VM2.
        // The sandbox's VM2 has it already.
        "install -m 755 docker-read.sh /usr/local/bin/audit-docker-read": "test -x /usr/local/bin/audit-docker-read",
        "systemctl reload ssh": "kill -HUP $(pgrep -o -x sshd)",
      });
      await onVm2(commands);
      // Without PAM, which Debian's sshd has and the sandbox's has not, a user without a password counts as locked.
      await onVm2("usermod --password '*' deploy");
      const prometheus = ["exec", "--interactive", `${platformNetwork}-prometheus`, "promtool", "check", "config", "/dev/stdin"]; // prettier-ignore
      for (const block of [byFile, byHttp]) {
        const { code, output } = await run(["docker", ...prometheus], onHere, block?.text);
        assert.equal(code, 0, output);
      }
    });

    it("step 6: the stack's settings, every marked line, and its state", async () => {
      const path = join(pipelines.dir, "Pulumi.vm2.yaml");
      const settings = parseDocument(readFileSync(path, "utf8"));
      const ours = (
        parse(readFileSync(join(pipelines.dir, "Pulumi.sandbox.yaml"), "utf8")) as { config: Record<string, unknown> }
      ).config;
      const vm2 = addressOf("vm2");
      const values: Record<string, unknown> = {
        image: `${pipelines.harbor}/audit/${imageName}@sha256:${"0".repeat(64)}`,
        hostAddress: `ssh://deploy@${vm2}`,
        hostCidr: `${vm2}/32`,
        databaseHost: at.postgres,
        databaseAdminUser: "deployer",
        databaseDriftUser: "drift",
        vaultAddress,
        applications: ["billing", "crm"],
        serviceUrl: `http://${vm2}`,
        metricsAddress: `${vm2}:9145`,
        prometheusUrl: ours["audit:prometheusUrl"],
        ...Object.fromEntries(
          [
            ...["edgeImage", "exporterImage", "vaultImage", "registryUsername", "edgeMetricsAllow"],
            ...["prometheusHost", "prometheusTargets", "prometheusRules", "prometheusImage", "grafanaUrl"],
          ].map((key) => [key, ours[`audit:${key}`]]),
        ),
      };
      const marked = [...readFileSync(path, "utf8").matchAll(/^ {2}audit:(\w+):.*# SET/gm)].map(([, key = ""]) => key);
      for (const key of marked.filter((name) => name !== "grafanaDataSource"))
        assert.ok(key in values, `${key} is marked SET, and this scenario does not set it`);
      for (const [key, value] of Object.entries(values)) settings.setIn(["config", `audit:${key}`], value);
      // Differences between the sandbox and the guide: PostgreSQL and the edge without TLS, Grafana without a data
      // source.
      settings.setIn(["config", "audit:edgePlainHttp"], true);
      settings.setIn(["config", "audit:databaseSslMode"], "disable");
      settings.deleteIn(["config", "audit:grafanaDataSource"]);
      settings.setIn(["config", "audit:grafanaPrometheusUrl"], ours["audit:grafanaPrometheusUrl"]);
      writeFileSync(path, settings.toString());

      const [init, ...more] = blocksOf(6);
      assert.deepEqual([init?.language, more], ["sh", []]);
      await shell(
        filledIn(init?.text ?? "", {
          "postgres://pulumi:…@postgres.example.com/pulumi?sslmode=verify-full": backend,
          "https://vault.example.com:8200": vaultAddress,
          "VAULT_SERVER_TOKEN=…": `VAULT_SERVER_TOKEN=${rootToken}`,
          "git push": "true",
        }),
      );
      const text = readFileSync(path, "utf8");
      assert.match(text, /^secretsprovider: hashivault:\/\/pulumi$/m);
      assert.match(text, /# SET/, "the comments are still there");
    });

    it("step 7: the first tag is deployed and reported", async () => {
      const [tag, order, ...more] = blocksOf(7);
      assert.deepEqual([tag?.language, order?.language, more], ["sh", "sh", []]);
      await shell(filledIn(tag?.text ?? "", { "git push origin v0.1.0": "true" }));
      const kind = tagged("v0.1.0", {
        AUDIT_STACK: "vm2",
        VAULT_ADDR: vaultAddress,
        HARBOR_IMAGE: imageName,
        // The default branch of this world has built nothing.
        PROMOTE_ONLY: "false",
      });
      const { log } = green(await pipelines.run({ ...kind, claims: { aud: vaultAddress, project_id: "42" } }));
      assert.match(log, /there is no image of commit [0-9a-f]{40} yet; building it/);
      assert.match(log, /release none -> /);
      assert.match(log, /ok: an event went in and came out/);
      assert.match(log, /ok: Prometheus has \d+ targets/);
      const output = await shell(
        `PULUMI_BACKEND_URL='${backend}' VAULT_SERVER_URL=${vaultAddress} VAULT_SERVER_TOKEN=${rootToken} pulumi stack history --stack vm2 --full-dates`,
      );
      assert.match(output, /deploy v0\.1\.0 by alice: release none -> /);
    });
  });
