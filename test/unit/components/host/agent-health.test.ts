import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { scriptText } from "../../../../components/host/script-file";
import { AGENT_LISTENER } from "../../../../vault-agent/render";
import { fakeProgram } from "../../support/fake-programs";
import { runScript } from "../../support/host-script";

describe("the scripts around an agent", () => {
  let directory: string;
  const at = (name: string) => join(directory, name);
  /** A program of that name, before all others. */
  const program = (name: string, text: string) => fakeProgram(directory, name, text);
  beforeEach(() => (directory = mkdtempSync(join(tmpdir(), "agent-"))));
  afterEach(() => rmSync(directory, { recursive: true }));

  describe("the check of its token", () => {
    const look = (environment?: Record<string, string>) => runScript("look.sh", [], { directory, environment }).stdout;

    it("prints nothing of Vault's answer but the token's lifetime and its issue", () => {
      const answer = {
        data: { id: "hvs.secret", creation_ttl: 3600, meta: { issue: "one", role_name: "r" }, period: 3600, ttl: 3597 },
      };
      program("wget", `echo '${JSON.stringify(answer)}'`);
      assert.equal(look(), "3597 one\n");
      program("wget", 'echo \'{"errors":["permission denied"]}\'; exit 1');
      assert.equal(look(), "");
    });

    it("asks the agent's own listener, in the token's namespace", () => {
      program("wget", `for word in "$@"; do echo "$word"; done > ${at("asked")}`);
      const asked = () => readFileSync(at("asked"), "utf8").split("\n").slice(5, -1);
      const url = `http://${AGENT_LISTENER}/v1/auth/token/lookup-self`;
      look();
      assert.deepEqual(asked(), ["--header", "X-Vault-Request: true", url]);
      look({ AUDIT_VAULT_NAMESPACE: "a team" });
      assert.deepEqual(asked(), ["--header", "X-Vault-Request: true", "--header", "X-Vault-Namespace: a team", url]);
    });
  });

  describe("the health check", () => {
    const health = () => {
      // As Docker runs it: a file, with its scripts beside it.
      writeFileSync(at("health.sh"), scriptText("health.sh"));
      const { status, stdout } = spawnSync("sh", [at("health.sh")], {
        encoding: "utf8",
        env: {
          ...process.env,
          TMPDIR: directory,
          CREDENTIALS: directory,
          AUDIT_RENDERED_FILE: at("config.json"),
          AUDIT_METRICS_FILE: at("agent.prom"),
        },
      });
      const metrics = Object.fromEntries(
        readFileSync(at("agent.prom"), "utf8")
          .split("\n")
          .filter((line) => line.startsWith("audit_agent_"))
          .map((line) => line.replace("audit_agent_", "").split(" ")),
      ) as Record<string, string>;
      return { status, stdout, metrics };
    };
    beforeEach(() => {
      program("look.sh", "echo 3597 one");
      program("reload.sh", `echo confirmed > ${at("last-reload")}`);
      writeFileSync(at("config.json"), "{}");
      writeFileSync(at("expiry"), "1800000000\n");
    });

    it("accepts an agent that is logged in and has rendered its file", () => {
      const { status, stdout, metrics } = health();
      assert.deepEqual([status, stdout], [0, ""]);
      assert.equal(metrics.logged_in, "1");
      assert.equal(metrics.reload_confirmed, "1");
      assert.equal(metrics.secret_id_expiry_timestamp_seconds, "1800000000");
      const success = Number(metrics.last_success_timestamp_seconds);
      assert.ok(Math.abs(success - Date.now() / 1000) < 60);
      assert.equal(Number(metrics.token_expiry_timestamp_seconds), success + 3597);
    });

    it("describes each metric, and has no reload metric if the agent has no reload", () => {
      health();
      const lines = readFileSync(at("agent.prom"), "utf8").split("\n");
      assert.equal(lines.length, 16);
      assert.deepEqual(lines.slice(0, 3), [
        "# HELP audit_agent_logged_in Whether Vault took the agent's token at the last look",
        "# TYPE audit_agent_logged_in gauge",
        "audit_agent_logged_in 1",
      ]);
      rmSync(at("reload.sh"));
      const { status, metrics } = health();
      assert.equal(status, 0);
      assert.equal(metrics.reload_confirmed, undefined);
    });

    it("says that Vault is unreachable, and keeps the time of the last success", () => {
      const { metrics: before } = health();
      program("look.sh", "true");
      const { status, stdout, metrics } = health();
      assert.deepEqual([status, stdout], [1, "Vault does not answer, or does not take the agent's token\n"]);
      assert.deepEqual(metrics, { ...before, logged_in: "0" });
    });

    it("gives zeros before the first log-in", () => {
      program("look.sh", "true");
      rmSync(at("expiry"));
      const { metrics } = health();
      assert.deepEqual(new Set(Object.values(metrics)), new Set(["0", "1"]));
      assert.equal(metrics.last_success_timestamp_seconds, "0");
    });

    it("says that the file is missing", () => {
      rmSync(at("config.json"));
      assert.match(health().stdout, /config\.json is not rendered/);
    });

    it("repeats a reload that was not confirmed, and reports it", () => {
      writeFileSync(at("last-reload"), "failed 0 audit-svc-blue-1\n");
      const first = health();
      assert.deepEqual([first.status, first.metrics.reload_confirmed], [0, "0"]);
      assert.equal(health().metrics.reload_confirmed, "1");
      writeFileSync(at("last-reload"), "failed 0 audit-svc-blue-1\n");
      program("reload.sh", "exit 1");
      assert.equal(health().status, 1);
    });
  });

  it("prints which issue of the secret_id is in its volume, or nothing if there is none", () => {
    const delivered = () => runScript("delivered-issue.sh", ["a"], { directory });
    program("docker", 'echo "$*"');
    assert.deepEqual(delivered(), { status: 0, stdout: "exec a cat /credentials/issue\n", stderr: "" });
    program("docker", "echo 'No such container: a' >&2; exit 1");
    assert.deepEqual(delivered(), { status: 0, stdout: "", stderr: "" });
  });

  describe("the wait for its log-in", () => {
    /** A fake Docker whose agent is logged in with the issue in the file; a restart makes it use the new one. */
    const agent = (logged: string, afterRestart: string, lastLine = "its last line") => {
      writeFileSync(at("logged"), logged);
      program(
        "docker",
        [
          'case "$1" in',
          `exec) echo "new $(cat ${at("logged")})" ;;`,
          `restart) echo restarted >> ${at("restarts")}; echo "${afterRestart}" > ${at("logged")} ;;`,
          `logs) echo '${lastLine}' >&2 ;;`,
          "esac",
        ].join("\n"),
      );
    };
    const wait = (seconds = 60) => runScript("wait-login.sh", ["a", seconds], { directory });
    const restarts = () =>
      existsSync(at("restarts")) ? readFileSync(at("restarts"), "utf8").split("\n").length - 1 : 0;

    it("prints the issue with which it is logged in, and leaves it alone", () => {
      agent("3600 new", "");
      assert.deepEqual(wait(), { status: 0, stdout: "new\n", stderr: "" });
      assert.equal(restarts(), 0);
    });

    it("restarts one that still uses the former", () => {
      agent("3600 former", "3600 new");
      assert.deepEqual(wait(), { status: 0, stdout: "new\n", stderr: "" });
      assert.equal(restarts(), 1);
    });

    it("fails with the agent's last lines when that does not help, and has tried it once", () => {
      agent("3600 former", "3600 former");
      const { status, stderr } = wait(2);
      assert.equal(status, 1);
      assert.match(stderr, /^its last line\na has not logged in to Vault with its new secret_id within 2 s; /);
      assert.equal(restarts(), 1);
    });

    it("explains a log-in that is denied", () => {
      agent("", "", '"@message":"error authenticating","error":"Code: 403. Errors:* permission denied"');
      const { status, stderr } = wait(1);
      assert.equal(status, 1);
      assert.match(
        stderr,
        /permission denied"\na has not logged in .*\nVault denies the log-in\. Either the role is locked out/,
      );
    });
  });
});
