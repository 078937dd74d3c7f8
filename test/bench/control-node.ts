import { readFileSync } from "node:fs";
import { join } from "node:path";
import { platform, platformNetwork, platformSubnet, root, run } from "../e2e/support/sandbox";

/** VM2 on the platform's network: measurements there bypass the sandbox's port forwarding. */
export const vm2Address = `${platformSubnet}.20`;
const name = platform("bench-control");

/**
 * In reality a deploy tool does not run on the service's machine; here it runs at low priority, ours as well as the
 * peers'.
 */
export const NICE = 10;

/** The docker CLI on the engine that the sandbox itself runs on. @returns its output @throws Error if it fails */
export async function onEngine(args: readonly string[], input?: string): Promise<string> {
  const { code, output, stdout } = await run(["docker", ...args], { ...process.env, DOCKER_HOST: undefined }, input);
  if (code !== 0) throw new Error(`docker ${args.join(" ").slice(0, 300)} ended with ${code}:\n${output.slice(-3000)}`);
  return stdout.trim();
}

/** Runs a shell line on VM2, as root unless another user is given. */
export const onVm2 = (line: string, input?: string, user = "root"): Promise<string> =>
  onEngine(["exec", "-i", "--user", user, platform("vm2"), "sh", "-euc", line], input);

/** The sandbox's newest image of that name. */
export async function sandboxImage(of: string): Promise<string> {
  const list = await onEngine(["images", "--format", "{{.Repository}}:{{.Tag}}", `audit-sandbox/${of}`]);
  const found = list.split("\n").find((line) => line !== "" && !line.endsWith("<none>"));
  if (found === undefined) throw new Error(`there is no image audit-sandbox/${of}; these benches need the sandbox up`);
  return found;
}

export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return (performance.now() - started) / 1000;
}

/** Where the peers' tools run: a container beside VM2 that reaches it by ssh, as ours does. */
export class ControlNode {
  static async start(): Promise<ControlNode> {
    const image = "audit-bench/control";
    const directory = join(root, "test/bench/peers");
    const base = await sandboxImage("base");
    await onEngine(["build", "--quiet", "--tag", image, "--build-arg", `BASE=${base}`, directory]);
    await onEngine(["rm", "--force", name]);
    await onEngine(["run", "--detach", "--init", "--name", name, "--network", platformNetwork, image]);
    await onEngine(["cp", directory, `${name}:/peers`]);
    const node = new ControlNode();
    const state = (file: string): string => readFileSync(join(root, ".sandbox/ssh", file), "utf8");
    const [, kind = "", key = ""] = state("known_hosts").trim().split(" ");
    const config = ["Host vm2", `HostName ${vm2Address}`, "User deploy", "IdentityFile ~/.ssh/key"];
    const shared = ["ControlMaster auto", "ControlPath /tmp/control-%C", "ControlPersist 300"];
    await node.run("mkdir -p ~/.ssh && umask 077 && cat > ~/.ssh/key", {}, state("id_ed25519"));
    await node.run("cat > ~/.ssh/config", {}, `${[...config, ...shared].join("\n  ")}\n`);
    await node.run("cat > ~/.ssh/known_hosts", {}, `${vm2Address} ${kind} ${key}\n`);
    return node;
  }

  /** Runs a shell line there. */
  async run(line: string, env: Readonly<Record<string, string>> = {}, input?: string): Promise<void> {
    const nice = ["nice", "-n", String(NICE)];
    const given = Object.entries(env).flatMap(([key, value]) => ["--env", `${key}=${value}`]);
    await onEngine(["exec", "-i", ...given, name, ...nice, "sh", "-euc", line], input);
  }

  async stop(): Promise<void> {
    await onEngine(["rm", "--force", name]);
  }
}
