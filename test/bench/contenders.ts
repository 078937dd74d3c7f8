import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { root, until, type Sandbox } from "../e2e/support/sandbox";
import { type ControlNode, NICE, onVm2, seconds, vm2Address } from "./control-node";

/** Timing of a deploy. */
export interface Deployed {
  /** Seconds from its start until all traffic goes to the new release. */
  readonly traffic: number;
  /** Seconds until the tool ends. */
  readonly whole: number;
  /** When the switch was complete, by `performance.now()`; undefined if a tool has no such moment. */
  readonly switched?: number;
}

/** A tool that deploys a release of the service to VM2. */
export interface Contender {
  readonly name: string;
  /** URL of its Nginx. */
  readonly url: string;
  deploy(image: string): Promise<Deployed>;
  /** Removes from VM2 what it deployed. */
  remove(): Promise<void>;
}

/** Ours, including everything else that `pulumi up` checks. It stays when the bench is over. */
export function ours(sandbox: Sandbox): Contender {
  return {
    name: "pulumi up",
    url: `http://${vm2Address}`,
    deploy: (image) => pulumiUp(sandbox, image),
    remove: () => Promise.resolve(),
  };
}

/** The promotion's output marks the switch; after it come the drain and Prometheus's targets. */
function pulumiUp(sandbox: Sandbox, image: string): Promise<Deployed> {
  const flags = ["--yes", "--skip-preview", "--non-interactive", "--config", `audit:image=${image}`];
  const started = performance.now();
  const since = (): number => (performance.now() - started) / 1000;
  return new Promise((done, fail) => {
    const child = spawn("nice", ["-n", String(NICE), "pulumi", "up", ...flags], {
      cwd: root,
      env: sandbox.env,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    let traffic: number | undefined;
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      if (traffic === undefined && /slot (blue|green) serves/.test(output)) traffic = since();
    });
    child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", fail);
    child.on("exit", (code) => {
      const whole = since();
      if (code === 0) done({ traffic: traffic ?? whole, whole, switched: started + (traffic ?? whole) * 1000 });
      else fail(new Error(`pulumi up ended with ${String(code)}:\n${output.slice(-3000)}`));
    });
  });
}

/** A setting of the sandbox's stack. */
export function setting(key: string): string {
  const text = readFileSync(join(root, ".sandbox/Pulumi.sandbox.yaml"), "utf8");
  return new RegExp(`^  audit:${key}: (\\S+)$`, "m").exec(text)?.[1] ?? "";
}

const directory = "/home/deploy/peers";
const url = `http://${vm2Address}:8480`;

/** Removes the peers' containers and networks from VM2. */
export async function removePeers(): Promise<void> {
  await onVm2("docker ps --all --quiet --filter name=^peer- | xargs -r docker rm --force > /dev/null");
  await onVm2("docker network ls --quiet --filter name=^peer | xargs -r docker network rm > /dev/null");
}

/** The peers, see peers/README.md. Only one at a time is on VM2, because they publish the same port. */
export async function peersOf(sandbox: Sandbox, control: ControlNode): Promise<readonly Contender[]> {
  await prepare(sandbox, control);
  const NGINX = setting("edgeImage");
  const values = { NGINX, DIRECTORY: directory, ADDRESS: vm2Address, DOCKER_HOST: "ssh://vm2" };
  const by = (name: string, command: string, env: Record<string, string>, cleanUp: string): Contender => ({
    name,
    url,
    deploy: async (image) => {
      const taken = await seconds(() => control.run(command, { ...env, IMAGE: image }));
      await until(`${name} answers at ${url}`, 60, async () => {
        const headers = { authorization: `Bearer ${sandbox.get("AUDIT_READ_TOKEN")}` };
        const response = await fetch(`${url}/v1/events?limit=1`, { headers, signal: AbortSignal.timeout(5_000) });
        return response.ok ? true : undefined;
      });
      return { traffic: taken, whole: taken };
    },
    remove: async () => {
      await onVm2(cleanUp);
      await removePeers();
    },
  });
  return [
    by(
      "Ansible, community.docker",
      "ansible-playbook /peers/ansible/deploy.yml -e image=$IMAGE -e nginx=$NGINX",
      { NGINX, ANSIBLE_CONFIG: "/peers/ansible/ansible.cfg" },
      ":",
    ),
    by("Docker Compose", "/peers/compose/deploy.sh", values, ":"),
    by(
      "Docker Swarm, start-first",
      "/peers/swarm/deploy.sh",
      values,
      "docker rm --force peer-nginx > /dev/null 2>&1 || true; docker swarm leave --force > /dev/null 2>&1 || true",
    ),
  ];
}

/**
 * Sets up what the peers' files assume: Python on the VM, the directory with the migration's login, the registry's
 * login.
 */
async function prepare(sandbox: Sandbox, control: ControlNode): Promise<void> {
  // Ansible's modules are Python programs that run on the target machine.
  const python =
    "DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends python3 python3-requests";
  await onVm2(`python3 -c 'import requests' 2> /dev/null || { apt-get update -q && ${python}; }`);
  const state = await sandbox.mustPulumi("stack", "export", "--show-secrets");
  const { deployment } = JSON.parse(state) as {
    deployment: { resources: { urn: string; outputs?: { result?: { plaintext?: string } } }[] };
  };
  const password = deployment.resources.find(({ urn }) => urn.endsWith("::audit-owner-password"))?.outputs?.result;
  if (password?.plaintext === undefined) throw new Error("the state has no password of the database's owner");
  const database = {
    ...{ host: setting("databaseHost"), port: 5432, name: "audit", user: "audit_owner" },
    ...{ password: JSON.parse(password.plaintext) as string, sslmode: "disable" },
  };
  const owned = `mkdir -p ${directory}/migrate && chown deploy: ${directory} && cat > ${directory}/migrate/config.json`;
  const hidden = `chown -R 10001:10001 ${directory}/migrate && chmod -R go= ${directory}/migrate`;
  await onVm2(`${owned} && ${hidden}`, JSON.stringify({ database, runtimeRole: "audit_runtime", tokens: [] }));
  for (const [file, as] of [
    ["nginx.conf", "nginx.conf"],
    ["replicas.conf", "replicas.conf"],
    ["swarm/nginx.conf", "swarm.conf"],
  ])
    await control.run(`ssh vm2 'cat > ${directory}/${as}' < /peers/${file}`);
  const registry = setting("edgeImage").split("/")[0] ?? "";
  const login = `docker login --username ${setting("registryUsername")} --password-stdin ${registry} 2> /dev/null`;
  await onVm2(`HOME=/home/deploy ${login}`, sandbox.get("AUDIT_REGISTRY_PASSWORD"), "deploy");
  await control.run(login, { DOCKER_HOST: "ssh://vm2" }, sandbox.get("AUDIT_REGISTRY_PASSWORD"));
}
