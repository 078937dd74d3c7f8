import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

const PATH = "auth/approle/role/audit-svc/secret-id";

describe("the script that unwraps a secret_id", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  const read = (name: string) => readFileSync(at(name), "utf8");
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), "unwrap-"));
    mkdirSync(at("credentials"));
    fakeProgram(directory, "chown", `echo "$*" >> ${at("chowned")}`);
  });
  afterEach(() => {
    chmodSync(at("credentials"), 0o700);
    rmSync(directory, { recursive: true });
  });

  /** Vault's answers about the token's origin and the unwrapped secret, as shell text that fails if Vault refuses. */
  function execute({ made = `echo ${PATH}`, ttl = 3600, unwrapped = "", namespace = "" }) {
    const answer = JSON.stringify(
      { data: { secret_id: "the secret_id", secret_id_accessor: "other", secret_id_ttl: ttl } },
      null,
      2,
    );
    fakeProgram(
      directory,
      "vault",
      `echo "$*" >> ${at("arguments")}
case "$1" in
  write) cat > ${at("looked-up")}; ${made} ;;
  unwrap) cat "$HOME/.vault-token" > ${at("unwrapped-by")}; ${unwrapped === "" ? `echo '${answer}'` : unwrapped} ;;
esac`,
    );
    const input = "the role_id\nthe issue\nthe token\n";
    const environment = { VAULT_ADDR: "https://vault.example.com:8200" };
    return runScript("unwrap-secret-id.sh", [at("credentials"), 100, PATH, namespace], {
      directory,
      input,
      environment,
    });
  }

  it("stores the credentials, the issue and the expiry where only one user can read them", () => {
    const { status, stderr } = execute({});
    assert.deepEqual([status, stderr], [0, ""]);
    assert.deepEqual(readdirSync(at("credentials")).sort(), ["expiry", "issue", "role_id", "secret_id"]);
    assert.equal(read("credentials/role_id"), "the role_id");
    assert.equal(read("credentials/secret_id"), "the secret_id");
    assert.equal(read("credentials/issue"), "the issue");
    assert.ok(Math.abs(Number(read("credentials/expiry")) - Date.now() / 1000 - 3600) < 60);
    for (const name of readdirSync(at("credentials")))
      assert.equal(statSync(at(`credentials/${name}`)).mode & 0o777, 0o400, name);
    assert.equal(statSync(at("credentials")).mode & 0o777, 0o500);
    assert.match(read("chowned"), new RegExp(`^100 ${at("credentials")}$`, "m"));
  });

  it("records that a secret_id without an expiry has none", () => {
    execute({ ttl: 0 });
    assert.equal(read("credentials/expiry"), "+Inf\n");
  });

  it("passes the token to Vault by standard input and a file, never as an argument", () => {
    execute({});
    assert.equal(read("looked-up"), "the token");
    assert.equal(read("unwrapped-by"), "the token");
    assert.doesNotMatch(read("arguments"), /the token/);
  });

  it("accepts a path that begins with the namespace", () => {
    assert.equal(execute({ made: `echo team/${PATH}`, namespace: "team" }).status, 0);
  });

  const invalid = `printf 'Error making API request.\\n\\nCode: 400. Errors:\\n\\n* wrapping token is not valid or does not exist\\n' >&2; exit 2`;
  for (const [what, given, message] of [
    ["was used before", { made: invalid }, "the wrapping token was already used or has expired."],
    [
      "was made by somebody else",
      { made: "echo sys/wrapping/wrap" },
      `the wrapping token was made by sys/wrapping/wrap and not by ${PATH}.`,
    ],
    [
      "is of another namespace",
      { made: `echo other/${PATH}`, namespace: "team" },
      `the wrapping token was made by other/${PATH} and not by ${PATH}.`,
    ],
    ["is used in between", { unwrapped: invalid }, "the wrapping token was used between look-up and unwrapping."],
  ] as const) {
    it(`raises an alarm, and changes nothing, when the token ${what}`, () => {
      const { status, stderr } = execute(given);
      assert.equal(status, 1);
      assert.ok(stderr.startsWith(`ALARM: ${message} The secret_id may be known to somebody else`), stderr);
      assert.deepEqual(readdirSync(at("credentials")), []);
    });
  }

  for (const [what, refuse] of [
    ["looked up", (unreachable: string) => ({ made: unreachable })],
    ["unwrapped", (unreachable: string) => ({ unwrapped: unreachable })],
  ] as const)
    it(`says why Vault cannot be asked, without an alarm, when the token is ${what}`, () => {
      const { status, stderr } = execute(refuse("printf 'dial tcp: connection refused\\n\\n' >&2; exit 2"));
      assert.equal(status, 1);
      assert.equal(
        stderr,
        "Vault at https://vault.example.com:8200 gives no answer to this machine's containers: dial tcp: connection refused\n",
      );
      assert.deepEqual(readdirSync(at("credentials")), []);
    });

  it("fails when there is no secret_id in the answer", () => {
    assert.equal(execute({ unwrapped: "echo '{}'" }).status, 1);
    assert.deepEqual(readdirSync(at("credentials")), []);
  });
});
