import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onHere } from "./pipeline";
import { platform, platformNetwork, platformSubnet, run, until, type Sandbox } from "./sandbox";

const PARTS = { postgres: 40, vault: 41, vm: 42 } as const;
type Part = keyof typeof PARTS;
/** Of a data source in Grafana, name and uid. */
export const DATA_SOURCE = "guide";
/** Of its Vault. */
export const ROOT_TOKEN = "root-token-of-the-guide";

const nameOf = (part: Part): string => `${platformNetwork}-guide-${part}`;
export const at = (part: Part): string => `${platformSubnet}.${PARTS[part]}`;

async function docker(args: readonly string[], input?: string): Promise<string> {
  const { code, output, stdout } = await run(["docker", ...args], onHere, input);
  assert.equal(code, 0, `docker ${args.join(" ")}\n${output}`);
  return stdout.trim();
}

const own = (part: string, format: string): Promise<string> =>
  docker(["inspect", "--format", format, `${platformNetwork}-${part}`]);

/** A PostgreSQL, a Vault and a VM in which nothing was set up, beside those of the sandbox. */
export async function startEmptyWorld(sandbox: Sandbox): Promise<void> {
  await removeEmptyWorld(sandbox);
  const source = { name: DATA_SOURCE, uid: DATA_SOURCE, type: "prometheus", access: "proxy" };
  await sandbox.grafana("POST", "datasources", { ...source, url: "http://prometheus.sandbox.test:9090" });
  const there = (part: Part): string[] => ["--name", nameOf(part), "--network", platformNetwork, "--ip", at(part)];
  const image = (part: string): Promise<string> => own(part, "{{.Config.Image}}");
  await docker(["run", "--detach", ...there("postgres"), "--env", "POSTGRES_HOST_AUTH_METHOD=trust", await image("postgres")]); // prettier-ignore
  const dev = ["server", "-dev", `-dev-root-token-id=${ROOT_TOKEN}`, "-dev-listen-address=0.0.0.0:8200"];
  await docker(["run", "--detach", ...there("vault"), "--env", "SKIP_SETCAP=true", "--entrypoint", "vault", await image("vault"), ...dev]); // prettier-ignore
  // As sandbox/src/platform/vm2.ts starts its own, but without a key that may log in.
  await docker([
    ...["create", ...there("vm"), "--hostname", "vm2", "--cgroupns", "host", "--volume", "/sys/fs/cgroup:/sys/fs/cgroup:rw"],
    ...["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH"].flatMap((name) => ["--cap-add", name]),
    ...["seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"].flatMap((name) => ["--security-opt", name]),
    await image("vm2"),
  ]); // prettier-ignore
  const directory = mkdtempSync(join(tmpdir(), "guide-vm-"));
  mkdirSync(join(directory, "docker"));
  const engine = await docker(["exec", `${platformNetwork}-vm2`, "cat", "/etc/docker/daemon.json"]);
  writeFileSync(join(directory, "docker/daemon.json"), engine);
  await docker(["cp", join(directory, "docker"), `${nameOf("vm")}:/etc/`]);
  rmSync(directory, { recursive: true });
  await docker(["start", nameOf("vm")]);
  await inVm(
    // A fresh VM has no user deploy; Debian's sshd_config begins so; and there is no systemd in the container.
    "userdel --remove deploy 2> /dev/null; sed -i '1i Include /etc/ssh/sshd_config.d/*.conf' /etc/ssh/sshd_config; " +
      "printf '#!/bin/sh\\nkill -HUP $(pgrep -o -x sshd)\\n' > /usr/local/bin/systemctl; chmod 755 /usr/local/bin/systemctl",
  );
  await until("PostgreSQL", 60, async () =>
    (await run(["docker", "exec", nameOf("postgres"), "pg_isready", "-h", at("postgres")], onHere)).code === 0
      ? true
      : undefined,
  );
  await until("Vault", 60, async () =>
    (await fetch(`http://${at("vault")}:8200/v1/sys/health`)).ok ? true : undefined,
  );
  await until("the VM's engine", 60, async () =>
    (await run(["docker", "exec", nameOf("vm"), "docker", "version"], onHere)).code === 0 ? true : undefined,
  );
}

/** Removes it, and what a deploy of the stack vm2 leaves in the sandbox's Grafana and Prometheus. */
export async function removeEmptyWorld(sandbox: Sandbox): Promise<void> {
  await docker(["rm", "--force", "--volumes", ...Object.keys(PARTS).map((part) => nameOf(part as Part))]);
  await sandbox.grafana("DELETE", "folders/audit-vm2?forceDeleteRules=true");
  await sandbox.grafana("DELETE", `datasources/uid/${DATA_SOURCE}`);
  const files = ["/etc/prometheus/targets/audit-vm2.json", "/etc/prometheus/rules/audit-vm2.yml"];
  await docker(["exec", "--user", "0", platform("prometheus"), "rm", "-f", ...files]);
  await fetch(`${sandbox.get("PROMETHEUS_URL")}/-/reload`, { method: "POST" });
}

/** A shell line as root on the VM. */
export const inVm = (script: string, input = ""): Promise<string> =>
  docker(["exec", "--interactive", nameOf("vm"), "sh", "-uc", script], input);
