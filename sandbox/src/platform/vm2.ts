import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createHash } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { quote } from "../../../lib/shell.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { addressOf, containerName, hostName, sandboxName, type Settings } from "../settings.js";
import type { State } from "../state.js";
import { until } from "../wait.js";
import type { Context } from "./context.js";
import { registryAddress } from "./registry.js";

export const vm2Volume = `${sandboxName}-vm2-docker`;
export const vm2User = "deploy";

/** The address of VM2's Docker Engine for the program and the docker CLI. */
export const vm2Host = (settings: Settings): string => `ssh://${vm2User}@127.0.0.1:${settings.ports.ssh}`;

/**
 * Forgets a DOCKER_HOST that names a VM2, as in a shell with `make env`, of this work tree or of another: the platform must
 * never run there.
 */
export function forgetVm2(env: NodeJS.ProcessEnv): void {
  if (new RegExp(`^ssh://${vm2User}@127\\.0\\.0\\.1:\\d+$`).test(env.DOCKER_HOST ?? "")) delete env.DOCKER_HOST;
}

/**
 * The virtual machine: a container with its own Docker Engine and sshd. It has the capabilities that a nested dockerd
 * needs; `--privileged` would be more and is refused on some hosts.
 * @returns true when there was nothing to do.
 */
export async function ensureVm2(context: Context, image: string): Promise<boolean> {
  const { engine, settings, state, progress } = context;
  const keys = await ensureKeys(state);
  const running = await engine.ensureContainer({
    name: containerName("vm2"),
    image,
    hostname: hostName("vm2"),
    address: addressOf(settings, "vm2"),
    files: [
      { path: "/etc/vm2/authorized_keys", content: keys.user.publicKey },
      { path: "/etc/vm2/ssh/ssh_host_ed25519_key", content: keys.host.privateKey, mode: 0o600 },
      { path: "/etc/vm2/ssh/ssh_host_ed25519_key.pub", content: keys.host.publicKey },
      { path: "/etc/docker/daemon.json", content: daemonConfiguration(settings) },
      {
        path: "/usr/local/bin/audit-docker-read",
        content: readFileSync(join(settings.root, "bootstrap/docker-read.sh"), "utf8"),
        mode: 0o755,
      },
    ],
    volumes: { [vm2Volume]: "/var/lib/docker" },
    ports: { 22: settings.ports.ssh, 80: settings.ports.edge, 443: settings.ports.edgeTls },
    capabilities: ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"],
    securityOptions: ["seccomp=unconfined", "apparmor=unconfined"],
    unmaskedPaths: true,
    binds: ["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
    cgroupns: "host",
    stopSeconds: 30,
  });
  configureSsh(settings, state, keys.host.publicKey);
  progress("waiting for its Docker Engine over ssh");
  await waitForEngine(context);
  return running;
}

/** Docker's own networks on VM2 must not overlap the platform network or the host's default pools. */
function daemonConfiguration(settings: Settings): string {
  return JSON.stringify(
    {
      // Also by address, because this machine, on which the pipeline runs, cannot resolve the registry's name.
      "insecure-registries": [registryAddress, `${addressOf(settings, "registry")}:5000`],
      "default-address-pools": [{ base: "172.30.0.0/16", size: 24 }],
      "log-driver": "json-file",
      "log-opts": { "max-size": "10m", "max-file": "3" },
      "live-restore": false,
    },
    undefined,
    2,
  );
}

interface KeyPair {
  privateKey: string;
  publicKey: string;
}

async function ensureKeys(state: State): Promise<{ user: KeyPair; host: KeyPair }> {
  return {
    user: await keyPair(state, "ssh/id_ed25519", "sandbox"),
    host: await keyPair(state, "ssh/host_ed25519", "vm2"),
  };
}

/** A key pair, made once. A file that an interrupted run has left empty counts as none. */
export async function keyPair(state: State, name: string, comment: string): Promise<KeyPair> {
  const path = state.path(name);
  if (!state.readText(name) || !state.readText(`${name}.pub`)) {
    mkdirSync(state.path("ssh"), { recursive: true, mode: 0o700 });
    await execa("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], { input: "y\n" });
  }
  const privateKey = state.readText(name);
  const publicKey = state.readText(`${name}.pub`);
  if (!privateKey || !publicKey) throw new Error(`ssh-keygen made no key at ${path}`);
  return { privateKey, publicKey };
}

/**
 * An ssh configuration and a directory with an `ssh` that uses it. The genuine docker plugin and the docker CLI both run
 * plain `ssh` from PATH, so with that directory first, both reach VM2 without any entry in the user's ~/.ssh.
 */
export function configureSsh(settings: Settings, state: State, hostKey: string): void {
  const [kind, key] = hostKey.split(" ");
  state.write("ssh/known_hosts", `[127.0.0.1]:${settings.ports.ssh} ${kind} ${key}\n`);
  mkdirSync(controlDir(settings), { recursive: true, mode: 0o700 });
  // ssh expands tokens such as %C.
  const file = (name: string): string => `"${state.path(name).replaceAll("%", "%%")}"`;
  const config = state.write(
    "ssh/config",
    [
      "Host 127.0.0.1 vm2",
      "  HostName 127.0.0.1",
      `  Port ${settings.ports.ssh}`,
      `  User ${vm2User}`,
      `  IdentityFile ${file("ssh/id_ed25519")}`,
      "  IdentitiesOnly yes",
      `  UserKnownHostsFile ${file("ssh/known_hosts")}`,
      "  GlobalKnownHostsFile /dev/null",
      "  StrictHostKeyChecking yes",
      "  BatchMode yes",
      "  ConnectTimeout 10",
      "  ServerAliveInterval 15",
      // One shared connection: a new one for each request of the Docker API would cost time and hit sshd's MaxStartups.
      "  ControlMaster auto",
      `  ControlPath "${join(controlDir(settings), "%C")}"`,
      "  ControlPersist 120",
      "",
    ].join("\n"),
  );
  const directory = state.path("bin").replaceAll(/[.*[\]^$\\|]/g, "\\$&");
  const wrapper = state.write(
    "bin/ssh",
    [
      "#!/bin/sh",
      "# ssh for the sandbox: knows VM2's key and where to find it. Everything else is the ssh that follows in PATH.",
      // Removes this directory from PATH wherever it is: npx, for example, prepends its own, and this script would
      // otherwise call itself forever.
      `PATH=$(printf %s ":$PATH:" | sed -e ':again' -e ${quote(`s|:${directory}:|:|`)} -e 'tagain' -e 's|^:||' -e 's|:$||')`,
      `exec ssh -F ${quote(config)} "$@"`,
      "",
    ].join("\n"),
    0o700,
  );
  chmodSync(wrapper, 0o700);
}

/** A control socket's path has at most 108 characters, which a checkout deep in a home directory would exceed. */
const controlDir = (settings: Settings): string =>
  join(
    process.env.XDG_RUNTIME_DIR ?? tmpdir(),
    `audit-${createHash("sha256").update(settings.root).digest("hex").slice(0, 8)}`,
  );

export const sshArguments = (state: State): string[] => ["-F", state.path("ssh/config")];

/** The output of a shell line on VM2, or the error if it cannot run. For messages. */
export async function onVm2(state: State, script: string): Promise<string> {
  const { stdout, failed, shortMessage } = await execa("ssh", [...sshArguments(state), "vm2", script], {
    stderr: "ignore",
    timeout: 30_000,
    reject: false,
  });
  return failed && !stdout ? (shortMessage ?? "") : stdout;
}

async function waitForEngine(context: Context): Promise<void> {
  const { engine, settings, state } = context;
  try {
    await until("VM2", 60, async () => {
      const { stdout } = await execa(
        "ssh",
        [...sshArguments(state), "vm2", "docker version --format '{{.Server.Version}}'"],
        // ControlPersist's background process keeps stderr open and would hold this call until it ends.
        { stderr: "ignore", timeout: 20_000 },
      );
      return stdout.trim() || undefined;
    });
  } catch (error) {
    throw new UserError(
      `VM2 does not answer over ssh on 127.0.0.1:${settings.ports.ssh} (${error instanceof Error ? error.message.split("\n")[0] : String(error)}). ` +
        `Its last lines:\n${await engine.logs(containerName("vm2"), 20)}\n` +
        `Run \`make down\`, then \`make up\`; if that does not help, \`make down DATA=delete\` also removes VM2's disk.`,
    );
  }
}

/** Closes the shared ssh connection, which would otherwise stay open for two minutes. */
export async function closeSsh(settings: Settings, state: State): Promise<void> {
  if (!state.has("ssh/config")) return;
  await execa("ssh", [...sshArguments(state), "-O", "exit", "vm2"], { reject: false, stdio: "ignore" });
  // A connection process that was cut off when VM2 restarted no longer owns the socket and does not get this. It is
  // found by its process title, which names our directory.
  const title = `ssh: ${controlDir(settings)}/`;
  for (const pid of existsSync("/proc/self") ? readdirSync("/proc").filter((name) => /^\d+$/.test(name)) : []) {
    try {
      if (readFileSync(`/proc/${pid}/cmdline`, "utf8").startsWith(title)) process.kill(Number(pid));
    } catch {
      // ended in the meantime, or another user's
    }
  }
  rmSync(controlDir(settings), { recursive: true, force: true });
}
