import assert from "node:assert/strict";
import { afterEach, describe, it } from "mocha";
import { demand, obtainCredentials } from "../../../ci/lib/credentials";
import { mask } from "../../../ci/lib/secrets";
import { logIn } from "../../../ci/lib/vault";
import { failsWith, jobWith, tokenFor, vaultWith } from "./support/job";
import { closeAll, double } from "./support/servers";

const jwt = tokenFor({ aud: "https://vault.example.com" });
const refusing = (status: number, error: string) => double(() => ({ status, body: { errors: [error] } }));

describe("ci: login in Vault with the job's ID token", () => {
  afterEach(closeAll);

  it("sends role and token to the mount, and revokes what it got", async () => {
    const vault = await vaultWith({ "secret/ci/audit/deploy": { PGPASSWORD: "of-the-deployer" } });
    const env = { VAULT_ADDR: `${vault.url}/`, VAULT_ID_TOKEN: jwt, VAULT_NAMESPACE: "team" };
    const session = await logIn(env, "audit-ci-deploy");
    assert.deepEqual(await session.readSecret("secret", "ci/audit/deploy"), { PGPASSWORD: "of-the-deployer" });
    assert.equal(await session.readSecret("secret", "ci/audit/none"), undefined);
    await session.close();
    assert.deepEqual(JSON.parse(vault.asked[0]?.body ?? ""), { role: "audit-ci-deploy", jwt });
    assert.equal(vault.asked[0]?.headers["x-vault-namespace"], "team");
    assert.equal(vault.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
    assert.equal(vault.asked.at(-1)?.headers["x-vault-token"], "hvs.the-token-of-the-job");
  });

  it("names VAULT_ADDR when it is missing", () =>
    failsWith(
      logIn({ VAULT_ID_TOKEN: jwt }, "r"),
      "VAULT_ADDR is not set; set it to Vault's address in Settings > CI/CD > Variables",
    ));

  it("names the ID token when the job has none", () =>
    failsWith(
      logIn({ VAULT_ADDR: "http://127.0.0.1:1", VAULT_ID_TOKEN: "" }, "r"),
      "VAULT_ID_TOKEN is not set; the job needs `id_tokens: VAULT_ID_TOKEN`, which GitLab 15.7 and newer give",
    ));

  it("says that there is no such role", async () => {
    const { url } = await refusing(400, 'role "audit-ci-deploy" could not be found');
    await failsWith(
      logIn({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt }, "audit-ci-deploy"),
      "Vault has no role audit-ci-deploy at auth/jwt; make it as docs/guide.md says, or name another in VAULT_ROLE",
    );
  });

  it("says that the audience is wrong, and which it is", async () => {
    const { url } = await refusing(
      400,
      "error validating token: invalid audience (aud) claim: audience claim does not match any bound audience",
    );
    await failsWith(
      logIn({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt }, "r"),
      'Vault role r is not for the audience of the job\'s token, "https://vault.example.com"; make bound_audiences of the role and VAULT_ADDR the same',
    );
  });

  it("says that the role is not for this ref", async () => {
    const { url } = await refusing(
      400,
      'error validating claims: claim "ref_protected" does not match any associated bound claim values',
    );
    await failsWith(
      logIn({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt }, "r"),
      'Vault role r is not for this pipeline: error validating claims: claim "ref_protected" does not match any associated bound claim values; see bound_claims of the role',
    );
  });

  it("says that the mount does not exist", async () => {
    const { url } = await refusing(403, "permission denied");
    await failsWith(
      logIn({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt, VAULT_AUTH_PATH: "gitlab" }, "r"),
      "Vault does not know auth/gitlab (permission denied); enable it as docs/guide.md says, or set VAULT_AUTH_PATH",
    );
  });

  it("says that Vault is unreachable", () =>
    failsWith(
      logIn({ VAULT_ADDR: "http://127.0.0.1:1", VAULT_ID_TOKEN: jwt }, "r"),
      /^Vault at http:\/\/127\.0\.0\.1:1 \(VAULT_ADDR\) does not answer: /,
    ));

  it("says that something else than Vault answers", async () => {
    const { url } = await double(() => ({ body: "<html>" }));
    await failsWith(
      logIn({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt }, "r"),
      `VAULT_ADDR ${url} answered 200 with something that is not Vault's JSON`,
    );
  });
});

describe("ci: credentials", () => {
  afterEach(closeAll);
  const base = (url: string) => ({ VAULT_ADDR: url, VAULT_ID_TOKEN: jwt });

  it("reads the secret of the purpose with the role of the purpose; a CI variable wins", async () => {
    const vault = await vaultWith({
      "secret/ci/audit/drift": { PGPASSWORD: "from-vault", GRAFANA_AUTH: "admin:from-vault" },
    });
    const { job } = jobWith({ ...base(vault.url), PGPASSWORD: "from-gitlab", GRAFANA_AUTH: "" });
    const { values } = await obtainCredentials(job, "drift");
    assert.deepEqual(values, { PGPASSWORD: "from-gitlab", GRAFANA_AUTH: "admin:from-vault" });
    assert.match(vault.asked[0]?.body ?? "", /"role":"audit-ci-drift"/);
  });

  it("masks what it read, also the password within a URL", async () => {
    const vault = await vaultWith({
      "secret/ci/audit/deploy": {
        PULUMI_BACKEND_URL: "postgres://state:pass%2Fword-1@db/state",
        SSH_PRIVATE_KEY: "-----BEGIN KEY-----\nfirst-line-of-key\n-----END KEY-----",
        HARBOR_HOST: "harbor.example.com",
      },
    });
    await obtainCredentials(jobWith(base(vault.url)).job, "deploy");
    assert.equal(mask("a pass/word-1 b pass%2Fword-1 c"), "a [MASKED] b [MASKED] c");
    assert.equal(mask("hvs.the-token-of-the-job first-line-of-key"), "[MASKED] [MASKED]");
    assert.equal(mask("harbor.example.com"), "harbor.example.com");
  });

  it("strips a trailing line break from a secret, wherever it comes from", async () => {
    const vault = await vaultWith({
      "secret/ci/audit/deploy": { GRAFANA_AUTH: "admin:pass:word\n", SSH_PRIVATE_KEY: "a\nb\n" },
    });
    const env = { ...base(`${vault.url}\n`), VAULT_ID_TOKEN: `${jwt}\r\n`, PGPASSWORD: "of-the-deployer\r\n" };
    const { values } = await obtainCredentials(jobWith(env).job, "deploy");
    assert.deepEqual(values, {
      PGPASSWORD: "of-the-deployer",
      GRAFANA_AUTH: "admin:pass:word",
      SSH_PRIVATE_KEY: "a\nb",
    });
    assert.equal((JSON.parse(vault.asked[0]?.body ?? "") as { jwt: string }).jwt, jwt);
    assert.equal(mask("of-the-deployer pass:word"), "[MASKED] [MASKED]");
  });

  it("refuses a secret with a line break within, by name", async () => {
    const vault = await vaultWith({ "secret/ci/audit/deploy": { PGPASSWORD: "of-the\ndeployer" } });
    await failsWith(
      obtainCredentials(jobWith(base(vault.url)).job, "deploy"),
      "PGPASSWORD has a line break or another control character within it; set it again, as one line",
    );
  });

  it("refuses what no job uses: it would be put into the environment of commands", async () => {
    const vault = await vaultWith({ "secret/ci/audit/deploy": { LD_PRELOAD: "/tmp/x.so" } });
    await failsWith(
      obtainCredentials(jobWith(base(vault.url)).job, "deploy"),
      /^Vault's secret\/ci\/audit\/deploy has LD_PRELOAD, which no job uses; the names are PULUMI_BACKEND_URL, /,
    );
    assert.equal(vault.asked.at(-1)?.path, "/v1/auth/token/revoke-self");
  });

  it("names all that are missing, and where they can be", () => {
    assert.throws(
      () =>
        demand(
          { values: { PGPASSWORD: "x" }, where: "secret/ci/audit/deploy" },
          "PGPASSWORD",
          "GRAFANA_AUTH",
          "PULUMI_BACKEND_URL",
        ),
      {
        message: "GRAFANA_AUTH, PULUMI_BACKEND_URL: neither a CI variable nor in Vault at secret/ci/audit/deploy",
      },
    );
  });
});
