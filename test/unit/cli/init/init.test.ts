import assert from "node:assert/strict";
import { readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { parseVaultSettings } from "../../../../bootstrap/settings";
import type { AnyCommand } from "../../../../cli/command";
import { init } from "../../../../cli/commands/init";
import { runInit } from "../../../../cli/init/init";
import type { Probes } from "../../../../cli/init/probes";
import { parseValues } from "../../../../config/parse";
import { settingsInText } from "../../../../cli/project";
import { Authority } from "../../support/authority";
import { digest } from "../../support/settings";
import { audit } from "../support";
import { answers, answersFile, exists, inOrder, project, root } from "./world";

describe("audit init, with a file of answers", () => {
  let directory = "";
  beforeEach(() => (directory = project()));
  afterEach(() => rmSync(directory, { recursive: true }));
  const text = (file: string) => readFileSync(join(directory, file), "utf8");

  /** The command with other probes. */
  const run = (argv: string[], probes: Probes = inOrder, env = {}) => {
    const command: AnyCommand = {
      ...init,
      run: (args, context) =>
        runInit({ stack: args.stack, answers: args.answers as string, write: args.write === true }, context, probes),
    };
    return audit(["init", ...argv], { cwd: directory, commands: [command], env });
  };
  const given = (changes: Record<string, unknown> = {}) => answersFile(directory, { ...answers, ...changes });

  it("takes an answer without a value as one that is not given", async () => {
    const { code, err } = await run(["--answers", given({ registryUsername: null, databasePort: null }), "--stack", "vm3"]); // prettier-ignore
    assert.equal(code, 0, err);
    const { texts } = settingsInText(text("Pulumi.vm3.yaml"));
    assert.deepEqual([texts["audit:registryUsername"], texts["audit:databasePort"]], [undefined, "5432"]);
  });

  it("changes no stack's file that is not YAML, as in the middle of a merge", async () => {
    const broken = "config:\n<<<<<<< HEAD\n  audit:replicas: 2\n=======\n  audit:replicas: 3\n>>>>>>> x\n";
    writeFileSync(join(directory, "Pulumi.vm3.yaml"), broken);
    const { code, err } = await run(["--answers", given(), "--stack", "vm3", "--write"]);
    assert.equal(code, 1);
    assert.match(err, /^Stack vm3.*\nerror: \S+Pulumi\.vm3\.yaml cannot be read: [^\n]+\n$/);
    assert.equal(text("Pulumi.vm3.yaml"), broken);
  });

  it("keeps the answers of before beside an address in brackets", async () => {
    assert.equal((await run(["--answers", given({ applications: "one,two" }), "--stack", "vm3"])).code, 0);
    const bracketed = text("Pulumi.vm3.yaml").replace(/audit:databaseHost: .*/, 'audit:databaseHost: "[fd00::1]"');
    writeFileSync(join(directory, "Pulumi.vm3.yaml"), bracketed);
    const { code, err } = await run(["--answers", given({ applications: undefined }), "--stack", "vm3", "--write"]);
    assert.equal(code, 0, err);
    assert.equal(settingsInText(text("Pulumi.vm3.yaml")).texts["audit:applications"], '["one","two"]');
  });

  it("writes every file, and says who does what with it", async () => {
    const { code, out } = await run(["--answers", given(), "--stack", "vm3"]);
    assert.equal(code, 0, out);
    for (const who of [/You commit it/, /administrator of Vault.*vault\.json/, /database's administrator/, /VM's administrator, as root/, /Prometheus's administrator/]) assert.match(out, who); // prettier-ignore
    assert.deepEqual(readdirSync(join(directory, "setup/vm3")).sort(), ["database.sql", "docker-read.sh", "prometheus.yml", "vault.json", "vm.sh"]); // prettier-ignore
    const values = parseValues({ ...settingsInText(text("Pulumi.vm3.yaml")).texts, "audit:registryPassword": "x" });
    assert.deepEqual(
      [values.environment, values.vaultPath, values.hostCidr, values.applications, values.edgeMetricsAllow],
      ["vm3", "audit-svc/vm3", "10.0.0.7/32", ["billing", "crm"], ["10.0.0.7"]],
    );
    assert.match(
      text("Pulumi.vm3.yaml"),
      new RegExp(`audit:edgeImage: harbor\\.example\\.test/hub/nginx:1\\.29@${digest}\n`),
    );
    assert.match(values.image, /^harbor\.example\.test\/audit\/audit-svc@sha256:0{64}$/);
    const vault = parseVaultSettings(JSON.parse(text("setup/vm3/vault.json")), "vault.json");
    assert.deepEqual([vault.gitlab.projectId, vault.audience, vault.stack.vaultPath, vault.stack.hostCidr], [42, "https://vault.example.test:8200", "audit-svc/vm3", "10.0.0.7/32"]); // prettier-ignore
    assert.match(
      text("setup/vm3/database.sql"),
      /CREATE ROLE "deployer" LOGIN CREATEROLE CREATEDB[^]*CREATE ROLE "drift" LOGIN/,
    );
    assert.match(out, /The VM's administrator, as root there: sh vm\.sh deploy https:\/\/vault\.example\.test:8200\n/);
    for (const script of ["vm.sh", "docker-read.sh"])
      assert.equal(text(`setup/vm3/${script}`), readFileSync(join(root, "bootstrap", script), "utf8"));
    assert.deepEqual(parse(text("setup/vm3/prometheus.yml")), {
      rule_files: ["/etc/prometheus/rules/*.yml"],
      scrape_configs: [
        {
          job_name: "audit",
          file_sd_configs: [{ files: ["/etc/prometheus/targets/*.json"], refresh_interval: "10s" }],
        },
      ],
    });
  });

  it("takes the example of docs/audit.md", async () => {
    const [, example = ""] = /^```yaml\n([^]*?)^```$/m.exec(readFileSync(join(root, "docs/audit.md"), "utf8")) ?? [];
    // The authority's file is the reader's.
    writeFileSync(join(directory, "example.yaml"), example.replace(/^caFile: .*\n/m, ""));
    const { code, out, err } = await run(["--answers", join(directory, "example.yaml"), "--stack", "vm3"]);
    assert.equal(code, 0, out + err);
    assert.match(text("setup/vm3/vault.json"), /"project": "team\/audit"/);
  });

  it("keeps the repository's comments, without what they said of examples", async () => {
    await run(["--answers", given(), "--stack", "vm3"]);
    assert.match(
      text("Pulumi.vm3.yaml"),
      /audit:hostAddress: ssh:\/\/deploy@vm3\.example\.test # a login in the docker group/,
    );
    assert.match(text("Pulumi.vm3.yaml"), /^# Settings of the stack "vm3"\.\n[^]*pulumi stack init vm3 /);
    assert.doesNotMatch(text("Pulumi.vm3.yaml"), /\bSET\b|example\.com/);
  });

  it("writes a file of lines where there is none to begin with", async () => {
    rmSync(join(directory, "Pulumi.vm2.yaml"));
    const { code, out } = await run(["--answers", given(), "--stack", "vm3"]);
    assert.equal(code, 0, out);
    assert.match(text("Pulumi.vm3.yaml"), /^config:\n {2}audit:environment: vm3\n/);
    assert.match(text("Pulumi.vm3.yaml"), /^ {2}audit:databaseHost: .*\n {2}audit:databasePort: 5432\n {2}audit:databaseName: /m); // prettier-ignore
  });

  it("asks Prometheus for nothing but its address where nobody may write files", async () => {
    await run(["--answers", given({ prometheus: "nowhere" })]);
    await run(["--answers", given({ prometheus: "nowhere" }), "--write"]);
    const { config } = parse(text("Pulumi.vm2.yaml")) as { config: Record<string, unknown> };
    assert.deepEqual([config["audit:prometheusDiscovery"], config["audit:alerts"], config["audit:prometheusHost"]], ["http", "grafana", undefined]); // prettier-ignore
    assert.match(
      text("setup/vm2/prometheus.yml"),
      /http_sd_configs:\n +- url: http:\/\/vm3\.example\.test:9145\/targets/,
    );
  });

  it("overwrites nothing by itself: it shows what differs and ends with 1; --write writes it", async () => {
    const before = text("Pulumi.vm2.yaml");
    const first = await run(["--answers", given()]);
    assert.equal(first.code, 1);
    assert.match(
      first.out,
      /Pulumi\.vm2\.yaml: differs, left as it is[^]*^- +audit:hostAddress: ssh:\/\/deploy@vm2[^]*^\+ +audit:hostAddress: ssh:\/\/deploy@vm3/m,
    );
    assert.match(first.out, /setup\/vm2\/vault\.json: not written[^]*\nNothing was written: .*--write/);
    assert.ok(!exists(directory, "setup"));
    assert.equal(text("Pulumi.vm2.yaml"), before);
    const written = await run(["--answers", given(), "--write"]);
    assert.match(written.out, /Pulumi\.vm2\.yaml: written over/);
    assert.equal(written.code, 0);
    const again = await run(["--answers", given(), "--json"]);
    assert.equal(again.code, 0);
    const { files } = JSON.parse(again.out) as { files: { state: string; written: boolean }[] };
    assert.ok(
      files.every(({ state, written }) => state === "same" && !written),
      again.out,
    );
  });

  it("keeps settings that it does not ask for, and takes those of before as answers", async () => {
    await run(["--answers", given(), "--write"]);
    writeFileSync(
      join(directory, "Pulumi.vm2.yaml"),
      `${text("Pulumi.vm2.yaml")}  audit:memory: 320\nencryptedkey: abc\n`,
    );
    const { code, out, err } = await run(["--answers", answersFile(directory, { "gitlab.url": answers["gitlab.url"], "gitlab.project": "team/audit", "gitlab.projectId": 42, databaseHost: "other.example.test" }), "--write"]); // prettier-ignore
    assert.equal(code, 0, out + err);
    const { config, encryptedkey } = parse(text("Pulumi.vm2.yaml")) as {
      config: Record<string, unknown>;
      encryptedkey: string;
    };
    assert.deepEqual([config["audit:memory"], config["audit:databaseHost"], config["audit:vaultAddress"], encryptedkey], [320, "other.example.test", "https://vault.example.test:8200", "abc"]); // prettier-ignore
  });

  it("names every mistake at once, and writes nothing", async () => {
    const file = given({ hostAddress: "vm3", edgeImage: "hub.example.test/gone:1", tls: "on", colour: "red", databasePort: "x", "gitlab.project": "audit", vaultAddress: "vault", prometheus: "operator" }); // prettier-ignore
    const { code, out, err } = await run(["--answers", file, "--stack", "vm3"]);
    assert.equal(code, 1);
    assert.equal(out, "");
    for (const mistake of [
      /nothing was written/,
      /- colour: there is no such question/,
      /- hostAddress: must/,
      /- edgeImage: its digest cannot be looked up: the registry has no such tag.*@sha256:…/,
      /- tls: must be one of off, files, vault/,
      /- databasePort: must be a whole number/,
      /- vaultAddress: must be an address such as/,
      /- gitlab\.project: must be the whole path/,
      /- prometheus: must be one of docker, host, nowhere$/m,
    ])
      assert.match(err, mistake);
    assert.ok(!exists(directory, "setup") && !exists(directory, "Pulumi.vm3.yaml"));
    const list = await run(["--answers", given({ applications: "billing, CRM!" }), "--stack", "vm3"]);
    assert.match(list.err, /- applications: CRM! must be 1 to 31 small letters/);
  });

  it("says only which answers are missing, and nothing of those that it would make of them", async () => {
    const { err } = await run(["--answers", answersFile(directory, {}), "--stack", "vm3"]);
    const lines = err.split("\n").filter((line) => line.startsWith("  - "));
    assert.deepEqual(lines, ["hostAddress", "image", "databaseHost", "vaultAddress", "prometheusUrl", "grafanaUrl", "gitlab.url", "gitlab.project", "gitlab.projectId"].map((key) => `  - ${key}: an answer is needed`)); // prettier-ignore
    assert.match(err, /^Stack vm3, in Pulumi\.vm3\.yaml\n/);
  });

  it("takes the answers of GitLab together as well", async () => {
    const nested = { "gitlab.url": undefined, "gitlab.project": undefined, "gitlab.projectId": undefined };
    const gitlab = { url: "https://gitlab.example.test", project: "team/audit", projectId: 42 };
    const { code, out } = await run(["--answers", given({ ...nested, gitlab }), "--stack", "vm3"]);
    assert.equal(code, 0, out);
    assert.match(text("setup/vm3/vault.json"), /"projectId": 42/);
  });

  it("takes a setting away that is answered with -", async () => {
    await run(["--answers", given(), "--write"]);
    assert.match(text("Pulumi.vm2.yaml"), /audit:registryUsername: robot\$vm3/);
    await run(["--answers", given({ registryUsername: "-" }), "--write"]);
    assert.doesNotMatch(text("Pulumi.vm2.yaml"), /^ +audit:registryUsername/m);
    assert.match((await run(["--answers", given({ databaseHost: "-" })])).err, /- databaseHost: an answer is needed/);
  });

  it("hands a company's authority on to those who need it, and doubts one outside the clone", async () => {
    const outside = join(new Authority(directory, "company").file);
    const { out } = await run(["--answers", given({ caFile: outside }), "--stack", "vm3"]);
    assert.match(out, /caFile: it is outside the clone, so the pipeline's jobs do not have it: copy it/);
    assert.match(out, /npm ci --ignore-scripts: VAULT_ADDR=\S+ NODE_EXTRA_CA_CERTS=\S+company\.pem VAULT_TOKEN=… node/);
    assert.match(out, /VM's administrator, as root there: REGISTRY=harbor\.example\.test sh vm\.sh deploy https:/);
    assert.match(text("setup/vm3/ca.pem"), /^-----BEGIN CERTIFICATE-----/);
    const none = await run(["--answers", given(), "--stack", "vm4"]);
    assert.doesNotMatch(none.out, /CA_CERTS|REGISTRY|company|ca\.pem/);
  });

  it("takes what is only doubtful, and says so: an unknown name, a machine that is away, a stranger, a certificate", async () => {
    const probes: Probes = { ...inOrder, certificate: (setting) => Promise.resolve(setting === "audit:grafanaUrl" ? "it has expired" : undefined) }; // prettier-ignore
    const file = given({ hostAddress: "ssh://deploy@unknown.example.test", hostCidr: "10.0.0.3/32", databaseHost: "away.example.test", prometheusUrl: "http://elsewhere.example.test" }); // prettier-ignore
    const { code, out } = await run(["--answers", file, "--stack", "vm3"], probes);
    assert.equal(code, 0, out);
    assert.match(out, /Doubtful[^]*hostAddress: DNS does not know unknown\.example\.test/);
    assert.match(out, /databasePort: nothing accepts connections at away\.example\.test \(10\.0\.0\.7\), port 5432/);
    assert.match(out, /prometheusUrl: what answers at http:\/\/elsewhere\.example\.test is not Prometheus/);
    assert.match(out, /grafanaUrl: it has expired/);
  });

  it("looks tags up with the login of the environment, and writes it nowhere", async () => {
    const seen: unknown[] = [];
    const probes: Probes = { ...inOrder, digest: (image, login) => (seen.push(login), inOrder.digest(image, login)) };
    const { code, out, err } = await run(["--answers", given(), "--stack", "vm3"], probes, { AUDIT_REGISTRY_PASSWORD: "pull-secret" }); // prettier-ignore
    assert.equal(code, 0);
    assert.deepEqual(seen[0], { username: "robot$vm3", password: "pull-secret" });
    const all = readdirSync(join(directory, "setup/vm3"))
      .map((name) => text(`setup/vm3/${name}`))
      .join("");
    assert.doesNotMatch(out + err + all + text("Pulumi.vm3.yaml"), /pull-secret/);
  });

  it("refuses settings that contradict each other, before it writes", async () => {
    const { err } = await run(["--answers", given({ tls: "vault", tlsPkiRole: "audit", serviceUrl: "http://vm3.example.test" }), "--stack", "vm3"]); // prettier-ignore
    assert.match(err, /mistake/);
    assert.ok(!exists(directory, "setup"));
  });

  it("says what is wrong with the file of answers, and that there is no terminal", async () => {
    assert.match((await run(["--answers", "nothing.yaml"])).err, /there is no such file/);
    writeFileSync(join(directory, "bad.yaml"), "a: [");
    assert.match((await run(["--answers", join(directory, "bad.yaml")])).err, /neither YAML nor JSON/);
    for (const [n, text] of ["- a\n- b\n", "hello", "42"].entries()) {
      const file = join(directory, `bad${n}.yaml`);
      writeFileSync(file, text);
      assert.match(
        (await run(["--answers", file])).err,
        /^error: --answers \S+ must have a key and its answer a line, /m,
      );
    }
    for (const file of [directory, "/dev/zero"])
      assert.match((await run(["--answers", file])).err, /must be a file of at most 1000000 bytes/);
    const { code, err } = await run([]);
    assert.equal(code, 2);
    assert.match(err, /no terminal to ask at; give the answers by --answers FILE/);
  });

  it("lists its questions", async () => {
    const { out } = await audit(["init", "--questions"], { cwd: root });
    assert.match(
      out,
      /^platform: Where the service runs\n {2}vm: [^]*^hostAddress: The VM's login[^]*^ {2}docker: on a host with Docker/m,
    );
  });
});
