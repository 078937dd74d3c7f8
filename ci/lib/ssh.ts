import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import type { Credentials } from "./credentials";
import type { Exec } from "./exec";
import { Failure, oneLine, optional, type Job } from "./failure";
import { conceal } from "./secrets";

export interface SshSession {
  /** Add it to the environment of commands that run ssh. */
  readonly env: Readonly<Record<string, string>>;
  close(): Promise<void>;
}

/**
 * A login to VM2 for the duration of the job: a certificate from Vault's SSH engine if VAULT_SSH_ROLE is set; otherwise
 * SSH_PRIVATE_KEY; otherwise the runner's own ssh configuration. SSH_KNOWN_HOSTS has lines as printed by `ssh-keyscan`.
 * Both may be CI variables of type File, whose values are paths.
 *
 * Pulumi's docker plugin, the docker CLI and the program's scripts all call plain `ssh`. So the session is a directory
 * with a program `ssh`, first in PATH, that uses the key, the known hosts and one shared connection; nothing of it
 * outlives the job.
 *
 * Variables: VAULT_SSH_ROLE, VAULT_SSH_PATH (default `ssh`), VAULT_SSH_PRINCIPAL (default `deploy`).
 *
 * @param may `read`: use the role `<VAULT_SSH_ROLE>-read`, whose certificates allow only bootstrap/docker-read.sh
 */
export async function openSsh(
  job: Job,
  { vault, values }: Credentials,
  exec: Exec,
  may: "read" | "write" = "write",
): Promise<SshSession> {
  const { env } = job;
  const given = optional(env, "VAULT_SSH_ROLE");
  const role = given !== undefined && may === "read" ? `${given}-read` : given;
  const principal = optional(env, "VAULT_SSH_PRINCIPAL") ?? "deploy";
  // Short: the path of a control socket has at most 108 characters.
  const dir = mkdtempSync(join(tmpdir(), "ssh-"));
  const key = join(dir, "key");
  const tool = async (what: string, file: string, args: readonly string[]): Promise<string> => {
    const result = await exec(file, args, { env });
    if (result.code !== 0) throw new Failure(`ssh: ${what} failed: ${oneLine(result.all)}`);
    return result.stdout.trim();
  };
  try {
    const real = await tool("looking for ssh", "sh", ["-c", "command -v ssh"]);
    if (role !== undefined) {
      await tool("making a key", "ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "ci", "-f", key]);
      const signed = await vault.write(`${optional(env, "VAULT_SSH_PATH") ?? "ssh"}/sign/${role}`, {
        public_key: readFileSync(`${key}.pub`, "utf8"),
        valid_principals: principal,
      });
      writeFileSync(`${key}-cert.pub`, String(signed.signed_key));
      job.say(`ssh: Vault signed a key for ${principal}`);
    } else if (values.SSH_PRIVATE_KEY !== undefined) {
      const text = textOf(values.SSH_PRIVATE_KEY);
      conceal(text);
      if (!text.includes("-----BEGIN"))
        throw new Failure(
          "SSH_PRIVATE_KEY is no private key, whose first line has -----BEGIN; give the key's text, or a CI variable of type File with it",
        );
      // GitLab's form drops the last line break, without which OpenSSH rejects the key.
      writeFileSync(key, `${text}\n`, { mode: 0o600 });
    } else {
      job.say("ssh: neither VAULT_SSH_ROLE nor SSH_PRIVATE_KEY is set; ssh uses the runner's own keys");
    }
    const hosts = values.SSH_KNOWN_HOSTS === undefined ? undefined : textOf(values.SSH_KNOWN_HOSTS);
    if (hosts !== undefined) writeFileSync(join(dir, "known_hosts"), `${hosts}\n`);
    const config = join(dir, "config");
    const hasKey = role !== undefined || values.SSH_PRIVATE_KEY !== undefined;
    writeFileSync(config, sshConfig(dir, { hasKey, hasHosts: hosts !== undefined }));
    const bin = join(dir, "bin");
    mkdirSync(bin);
    writeFileSync(join(bin, "ssh"), `#!/bin/sh\nexec '${real}' -F '${config}' "$@"\n`);
    chmodSync(join(bin, "ssh"), 0o700);
    return {
      env: { PATH: [bin, env.PATH ?? ""].join(delimiter) },
      close: async () => {
        // Otherwise the shared connection would keep a process, and with it the login, for a minute.
        const sockets = join(dir, "control-*");
        await exec("sh", ["-c", `for s in ${sockets}; do [ ! -S "$s" ] || ssh -o ControlPath="$s" -O exit vm; done`], {
          env,
        }).catch(() => undefined);
        rmSync(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    rmSync(dir, { recursive: true, force: true });
    throw error;
  }
}

/** What a variable holds; of type File, its value is the path of a file that GitLab has written for the job. */
function textOf(value: string): string {
  const isPath = value.startsWith("/") && !value.includes("\n") && existsSync(value);
  return (isPath ? readFileSync(value, "utf8") : value).replaceAll("\r", "").trim();
}

/**
 * The session's ssh configuration, followed by the runner's own, which applies only to options that are not set here.
 */
export function sshConfig(dir: string, { hasKey, hasHosts }: { hasKey: boolean; hasHosts: boolean }): string {
  return [
    "Host *",
    ...(hasKey ? [`  IdentityFile "${dir}/key"`, "  IdentitiesOnly yes", "  IdentityAgent none"] : []),
    ...(hasHosts ? [`  UserKnownHostsFile "${dir}/known_hosts"`, "  GlobalKnownHostsFile /dev/null"] : []),
    "  StrictHostKeyChecking yes",
    "  BatchMode yes",
    "  ConnectTimeout 10",
    "  ServerAliveInterval 15",
    // A new connection for each request of the Docker API would cost time and hit sshd's MaxStartups.
    "  ControlMaster auto",
    `  ControlPath "${dir}/control-%C"`,
    "  ControlPersist 60",
    "Include ~/.ssh/config",
    "",
  ].join("\n");
}
