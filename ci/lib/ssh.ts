import { spawn, type ChildProcess } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import type { Credentials } from "./credentials";
import type { Exec } from "./exec";
import { Failure, oneLine, optional, type Job } from "./failure";

export interface SshSession {
  /** To be added to the environment of what runs ssh; empty when ssh is left to its own configuration. */
  readonly env: Readonly<Record<string, string>>;
  close(): void;
}

/**
 * A login to VM2 for the time of the job, held by an ssh-agent, so that nothing depends on paths of keys:
 * a certificate from Vault's SSH engine when VAULT_SSH_ROLE is set; else SSH_PRIVATE_KEY; else ssh's own configuration.
 * SSH_KNOWN_HOSTS (lines as `ssh-keyscan` prints them) is added to the user's known_hosts.
 *
 * Variables: VAULT_SSH_ROLE, VAULT_SSH_PATH (default `ssh`), VAULT_SSH_PRINCIPAL (default `deploy`).
 */
export async function openSsh(
  job: Job,
  { vault, values }: Credentials,
  exec: Exec,
  home = homedir(),
): Promise<SshSession> {
  const { env } = job;
  if (values.SSH_KNOWN_HOSTS !== undefined) trustHosts(home, values.SSH_KNOWN_HOSTS);
  const role = optional(env, "VAULT_SSH_ROLE");
  const principal = optional(env, "VAULT_SSH_PRINCIPAL") ?? "deploy";
  if (role === undefined && values.SSH_PRIVATE_KEY === undefined) {
    job.say("ssh: neither VAULT_SSH_ROLE nor SSH_PRIVATE_KEY is set; ssh uses the runner's own configuration");
    return { env: {}, close: () => undefined };
  }
  const dir = mkdtempSync(join(tmpdir(), "ci-ssh-"));
  let agent: ChildProcess | undefined;
  const close = (): void => {
    agent?.kill();
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    const key = join(dir, "key");
    const tool = async (
      what: string,
      file: string,
      args: readonly string[],
      extra?: Record<string, string>,
    ): Promise<void> => {
      const result = await exec(file, args, { env: { ...env, ...extra } });
      if (result.code !== 0) throw new Failure(`ssh: ${what} failed: ${oneLine(result.all)}`);
    };
    if (role !== undefined) {
      await tool("making a key", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", key]);
      const signed = await vault.write(`${optional(env, "VAULT_SSH_PATH") ?? "ssh"}/sign/${role}`, {
        public_key: readFileSync(`${key}.pub`, "utf8"),
        valid_principals: principal,
      });
      writeFileSync(`${key}-cert.pub`, String(signed.signed_key));
      job.say(`ssh: Vault signed a key for ${principal}`);
    } else {
      // Without its last line break OpenSSH calls the key invalid; GitLab's form drops it.
      writeFileSync(key, `${(values.SSH_PRIVATE_KEY ?? "").replaceAll("\r", "").trim()}\n`, { mode: 0o600 });
    }
    const socket = join(dir, "agent");
    agent = spawn("ssh-agent", ["-D", "-a", socket], { stdio: "ignore" });
    agent.on("error", () => undefined);
    for (let tries = 0; !existsSync(socket); tries++) {
      if (tries === 100) throw new Failure("ssh: ssh-agent does not start; is openssh-client in the job's image?");
      await new Promise((wake) => setTimeout(wake, 50));
    }
    await tool("loading the key", "ssh-add", ["-q", key], { SSH_AUTH_SOCK: socket });
    rmSync(key);
    return { env: { SSH_AUTH_SOCK: socket }, close };
  } catch (error) {
    close();
    throw error;
  }
}

function trustHosts(home: string, lines: string): void {
  const dir = join(home, ".ssh");
  const file = join(dir, "known_hosts");
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const present = existsSync(file) ? readFileSync(file, "utf8") : "";
  const known = new Set(present.split("\n"));
  const added = lines.split("\n").map((line) => line.trim()).filter((line) => line !== "" && !known.has(line)); // prettier-ignore
  if (added.length === 0) return;
  const gap = present === "" || present.endsWith("\n") ? "" : "\n";
  appendFileSync(file, `${gap}${added.join("\n")}\n`, { mode: 0o600 });
}
