import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { AgentLogin } from "./support/agent-login";
import { startLoad, withoutLoss } from "./support/load";
import { attached, run } from "./support/sandbox";

/**
 * Requests that the agent's token must not be allowed to make. The service's own secret is the only thing it may read.
 */
const forbidden: readonly [method: "GET" | "LIST" | "POST" | "DELETE", path: string][] = [
  ["GET", "secret/data/audit-svc/sandbox-tokens/writer-demo"],
  ["LIST", "secret/metadata/audit-svc/sandbox-tokens"],
  ["GET", "secret/data/audit-svc"],
  ["GET", "secret/data/audit-svc/sandbox/below"],
  ["GET", "secret/data/other"],
  ["GET", "secret/metadata/audit-svc/sandbox"],
  ["GET", "secret/config"],
  ["GET", "secret/subkeys/audit-svc/sandbox"],
  ["LIST", "secret/metadata"],
  ["LIST", "secret/metadata/audit-svc"],
  ["POST", "secret/data/audit-svc/sandbox"],
  ["DELETE", "secret/data/audit-svc/sandbox"],
  ["POST", "secret/destroy/audit-svc/sandbox"],
  ["POST", "secret/undelete/audit-svc/sandbox"],
  ["GET", "auth/approle/role/audit-svc"],
  ["GET", "auth/approle/role/audit-svc/role-id"],
  ["POST", "auth/approle/role/audit-svc/secret-id"],
  ["LIST", "auth/approle/role"],
  ["LIST", "auth/approle/role/audit-svc/secret-id"],
  ["POST", "auth/token/create"],
  ["POST", "auth/token/create-orphan"],
  ["POST", "auth/token/lookup"],
  ["LIST", "auth/token/accessors"],
  ["GET", "cubbyhole/x"],
  ["POST", "cubbyhole/x"],
  ["GET", "sys/auth"],
  ["GET", "sys/mounts"],
  ["GET", "sys/policy"],
  ["GET", "sys/policies/acl/audit-svc"],
  ["POST", "sys/policies/acl/audit-svc"],
  ["GET", "sys/audit"],
  ["GET", "sys/config/state/sanitized"],
  ["POST", "sys/seal"],
  ["POST", "sys/capabilities-self"],
  ["LIST", "sys/leases/lookup"],
  ["LIST", "identity/entity/id"],
  ["POST", "transit/encrypt/pulumi"],
  ["POST", "transit/decrypt/pulumi"],
  ["LIST", "transit/keys"],
  ["GET", "database/config/audit"],
];

describe("scenario: secrets stay where they belong", function () {
  const sandbox = attached();
  const agent = () => new AgentLogin(sandbox());

  /** Every value that must not be seen anywhere, by what it is. */
  async function secrets(): Promise<Map<string, string>> {
    interface Config {
      database: { password: string };
    }
    const read = async <T>(path: string) => {
      const answer = await sandbox().vault<{ data: { data: T } }>("GET", `secret/data/${path}`);
      assert.ok(answer, `Vault has no ${path}`);
      return answer.data.data;
    };
    const config = await read<Config>("audit-svc/sandbox");
    const list = "secret/metadata/audit-svc/sandbox-tokens/?list=true";
    const holders = (await sandbox().vault<{ data: { keys: string[] } }>("GET", list))?.data.keys ?? [];
    assert.ok(holders.includes("writer-demo"), "Vault has no tokens");
    const owner = JSON.parse(await sandbox().mustPulumi("stack", "export", "--show-secrets")) as {
      deployment: { resources: { urn: string; outputs?: { result?: { plaintext?: string } } }[] };
    };
    const ownerPassword = owner.deployment.resources.find((r) => r.urn.endsWith("::audit-owner-password"))?.outputs
      ?.result;
    assert.ok(ownerPassword?.plaintext, "the state has no password of the owner");
    const secretId = await agent().onVolume("cat /credentials/secret_id");
    const tokens: [string, string][] = [];
    for (const holder of holders)
      tokens.push([`token ${holder}`, (await read<{ token: string }>(`audit-svc/sandbox-tokens/${holder}`)).token]);
    return new Map([
      ["password of the service", config.database.password],
      ["password of the owner", JSON.parse(ownerPassword.plaintext) as string],
      ["secret_id", secretId],
      ...tokens,
      ["password of the registry", sandbox().get("AUDIT_REGISTRY_PASSWORD")],
      ["Vault token of the program", sandbox().get("VAULT_TOKEN")],
      ["login of Grafana", sandbox().get("GRAFANA_AUTH").split(":").slice(1).join(":")],
    ]);
  }

  /** In plain text, and its beginning in base64. */
  const forms = (value: string) => [value, Buffer.from(value).toString("base64").replace(/=+$/, "").slice(0, -2)];

  /** @param known the secrets to look for; default: those of now */
  async function nowhereIn(what: string, text: string, known?: Map<string, string>): Promise<void> {
    for (const [name, value] of known ?? (await secrets())) {
      assert.ok(value.length >= 20, `${name} is too short to be searched for`);
      for (const form of forms(value)) {
        assert.ok(!text.includes(form), `${name} stands in ${what}`);
      }
    }
  }

  it("not in the state, nor in its history", async () => {
    await nowhereIn("the exported state", await sandbox().mustPulumi("stack", "export"));
    await nowhereIn("the history", await sandbox().mustPulumi("stack", "history", "--json"));
  });

  it("not in `docker inspect` of any container, image, volume or network on VM2", async () => {
    for (const kind of ["container", "image", "volume", "network"]) {
      const list = { container: ["ps", "--all", "--quiet"], image: ["image", "ls", "--quiet"] }[kind] ?? [
        kind,
        "ls",
        "--quiet",
      ];
      const names = (await sandbox().docker(...list)).split("\n").filter(Boolean);
      assert.notEqual(names.length, 0, kind);
      await nowhereIn(`docker ${kind} inspect`, await sandbox().docker(kind, "inspect", ...new Set(names)));
    }
  });

  it("not in the logs of any container on VM2", async () => {
    for (const name of (await sandbox().docker("ps", "--all", "--format", "{{.Names}}")).split("\n")) {
      await nowhereIn(`the log of ${name}`, (await run(["docker", "logs", name], sandbox().env)).output);
    }
  });

  it("not in any layer or in the history of the deployed images", async () => {
    const names = new Set((await sandbox().docker("ps", "--all", "--format", "{{.Image}}")).split("\n"));
    for (const image of names) {
      await nowhereIn(`the history of ${image}`, await sandbox().docker("history", "--no-trunc", image));
    }
    // The layers are uncompressed archives within the archive. The patterns are passed in a file, because arguments are
    // in the process list.
    const directory = mkdtempSync(join(tmpdir(), "patterns-"));
    const patterns = join(directory, "patterns");
    // A text from the service's migrations, which shows that the search works.
    const marker = "schema_migrations";
    const all = [marker, ...[...(await secrets()).values()].flatMap(forms)];
    writeFileSync(patterns, `${all.join("\n")}\n`, { mode: 0o600 });
    const grep = `LC_ALL=C grep --text --fixed-strings --only-matching --file=${patterns}`;
    const search = `docker save ${[...names].join(" ")} < /dev/null | ${grep} | sort -u`;
    const { stdout } = await run(["sh", "-c", search], sandbox().env).finally(() =>
      rmSync(directory, { recursive: true }),
    );
    assert.ok(stdout.includes(marker), "the layers were not searched");
    assert.ok(stdout.trim() === marker, "a secret stands in a layer");
  });

  it("not in the arguments or the environment of any process on VM2 or here, while a deploy issues a new secret_id", async () => {
    const look = ["run", "--rm", "--pid", "host", "--user", "0", "--cap-add", "SYS_PTRACE", "--entrypoint", "sh"];
    const image = await sandbox().docker("inspect", "--format", "{{.Image}}", "audit-svc-agent");
    const line =
      "for p in /proc/[0-9]*; do tr '\\0' '\\n' < $p/cmdline; tr '\\0' '\\n' < $p/environ; done 2>/dev/null; true";
    const former = await secrets();
    const load = startLoad({
      url: sandbox().get("AUDIT_URL"),
      token: sandbox().get("AUDIT_TOKEN"),
      application: "demo",
    });
    const seen: [what: string, text: string][] = [];
    let running = true;
    const deploy = agent()
      .reissue()
      .finally(() => (running = false));
    try {
      while (running) {
        seen.push(["the list of processes", await sandbox().docker(...look, image, "-c", line)]);
        seen.push(["the arguments of a process here", argumentsHere()]);
      }
    } finally {
      // Stop the load generator even if a check fails: otherwise the run of all scenarios would not end.
      await load.stop();
    }
    const { code, output } = await deploy;
    const { stored } = withoutLoss(await load.stop());
    assert.equal(code, 0, output);
    const issued = await secrets();
    assert.notEqual(issued.get("secret_id"), former.get("secret_id"));
    assert.ok(seen.length > 4, `looked ${seen.length} times`);
    for (const [what, text] of [...seen, ["the deploy's own output", output] as const]) {
      await nowhereIn(what, text, former);
      await nowhereIn(what, text, issued);
    }
    assert.ok(stored > 100, `only ${stored} requests were sent`);
  });

  /** Of every process on this machine; their environment holds the program's tokens by design, as the CI job's does. */
  function argumentsHere(): string {
    return readdirSync("/proc")
      .filter((pid) => /^\d+$/.test(pid))
      .map((pid) => {
        try {
          return readFileSync(`/proc/${pid}/cmdline`, "utf8");
        } catch {
          return "";
        }
      })
      .join("\n");
  }

  it("lets the agent's token read its one secret and nothing else", async () => {
    const login =
      "vault write -field=token auth/approle/login role_id=@/credentials/role_id secret_id=@/credentials/secret_id";
    const cases = forbidden.map(([method, path]) => {
      const verb = { GET: "read", LIST: "list", POST: "write -force", DELETE: "delete" }[method];
      return `vault ${verb} ${path} > /tmp/out 2>&1 && echo 'ALLOWED ${method} ${path}' || { grep -q -e 'Code: 403' -e 'permission denied' /tmp/out || { echo 'OTHER ${method} ${path}'; cat /tmp/out; }; }`;
    });
    const output = await agent().onVolume(
      [
        `export VAULT_TOKEN=$(${login})`,
        "vault read secret/data/audit-svc/sandbox > /dev/null && echo OWN",
        ...cases,
      ].join("\n"),
    );
    assert.equal(output, "OWN");
  });

  it("does not accept the agent's credentials from anywhere but the VM", async () => {
    await assert.rejects(sandbox().vault("POST", "auth/approle/login", await agent().credentials()), /400|403/);
  });

  it("keeps the credentials from everybody but the agent's user", async () => {
    assert.match(
      await agent().onVolume("stat -c '%a %u %n' /credentials /credentials/*"),
      /^500 100 .*\n400 100 .*expiry\n400 100 .*issue\n400 100 .*role_id\n400 100 .*secret_id$/,
    );
    assert.match(
      await sandbox().docker("exec", "audit-svc-agent", "stat", "-c", "%a %g %n", "/run/audit/config.json"),
      /^440 10001 /,
    );
  });
});
