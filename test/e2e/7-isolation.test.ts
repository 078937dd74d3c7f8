import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { attached, platform, platformNetwork, platformSubnet, root, run, until } from "./support/sandbox";

const PORTS = [22, 80, 443, 2375, 2376, 5432, 8080, 8081, 8082, 8200, 9090, 9113, 9145];

/**
 * Two attackers: a neighbour, which is a container on the platform's network beside VM2, and one on the internet's
 * side, on a separate network on which VM2 has a second interface. They route all container networks through VM2 and
 * try every address there.
 */
describe("scenario: from outside, only the edge's ports answer", function () {
  this.timeout(600_000);
  const sandbox = attached();
  const internet = platform("test-internet");
  // Of the range for tests of networks (RFC 2544): what Docker would choose may be what the engine in VM2 has chosen for itself.
  const internetRange = `198.18.${platformSubnet.split(".")[2]}.0/24`;
  const curious = { neighbour: platform("test-neighbour"), "the internet's side": platform("test-stranger") };
  let engine: NodeJS.ProcessEnv;

  const docker = async (...args: string[]): Promise<string> => {
    const { code, output } = await run(["docker", ...args], engine);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output.trim();
  };
  const tidy = async () => {
    await docker("rm", "--force", ...Object.values(curious)).catch(() => undefined);
    await docker("network", "disconnect", "--force", internet, platform("vm2")).catch(() => undefined);
    await docker("network", "rm", internet).catch(() => undefined);
  };

  before(async () => {
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    engine = { ...process.env, DOCKER_HOST: engineHost };
    await tidy();
    const vm2 = await docker("inspect", "--format", "{{.Config.Image}}", platform("vm2"));
    await docker("network", "create", "--subnet", internetRange, internet);
    await docker("network", "connect", internet, platform("vm2"));
    for (const [who, network] of [
      [curious.neighbour, platformNetwork],
      [curious["the internet's side"], internet],
    ] as const) {
      // VM2's own image has ip and bash; nothing of VM2 runs in it here.
      const options = ["--detach", "--network", network, "--cap-add", "NET_ADMIN", "--entrypoint", "sleep"];
      await docker("run", "--name", who, ...options, vm2, "900");
    }
  });
  after(tidy);

  /** VM2's address on this attacker's network. */
  async function vm2(who: string): Promise<string> {
    const network = who === curious.neighbour ? platformNetwork : internet;
    return docker(
      "inspect",
      "--format",
      `{{(index .NetworkSettings.Networks ${JSON.stringify(network)}).IPAddress}}`,
      platform("vm2"),
    );
  }

  /** The addresses of every container on every network of VM2. */
  async function addresses(): Promise<{ network: string; subnet: string; container: string; address: string }[]> {
    const ids = (await sandbox().docker("network", "ls", "--quiet", "--filter", "driver=bridge")).split("\n");
    const networks = JSON.parse(await sandbox().docker("network", "inspect", ...ids)) as {
      Name: string;
      IPAM: { Config: { Subnet: string }[] };
      Containers: Record<string, { Name: string; IPv4Address: string }>;
    }[];
    return networks.flatMap((n) =>
      Object.values(n.Containers).map((c) => ({
        network: n.Name,
        subnet: n.IPAM.Config[0]?.Subnet ?? "",
        container: c.Name,
        address: c.IPv4Address.replace(/\/.*/, ""),
      })),
    );
  }

  /** Ports that accept a connection from there, by address, in the given order. */
  async function open(who: string, targets: readonly string[]): Promise<number[][]> {
    const found = new Map<string, number[]>(targets.map((target) => [target, []]));
    const all = targets.flatMap((target) => PORTS.map((port) => `${target}/${port}`));
    // In large groups, so that the timeouts of silent ports overlap.
    for (let i = 0; i < all.length; i += 200) {
      const some = all.slice(i, i + 200).join(" ");
      const knock = `for t in ${some}; do (timeout 2 bash -c "</dev/tcp/$t" 2>/dev/null && echo $t) & done; wait`;
      for (const line of (await docker("exec", who, "bash", "-c", knock)).split("\n").filter(Boolean)) {
        const [target = "", port] = line.split("/");
        found.get(target)?.push(Number(port));
      }
    }
    return targets.map((target) => (found.get(target) ?? []).sort((a, b) => a - b));
  }

  async function onlyTheEdge(): Promise<void> {
    const all = await addresses();
    assert.ok(all.some((a) => a.network === "audit-front") && all.some((a) => a.network === "audit-admin"));
    for (const [where, who] of Object.entries(curious)) {
      const address = await vm2(who);
      assert.deepEqual(await open(who, [address]), [[22, 80, 9145]], `from ${where}, on VM2 itself`);
      for (const subnet of new Set(all.map((a) => a.subnet))) {
        await docker("exec", "--user", "0", who, "ip", "route", "replace", subnet, "via", address);
      }
      const found = await open(who, all.map((a) => a.address)); // prettier-ignore
      for (const [i, { network, container, address: at }] of all.entries()) {
        // Nginx's own address on its published network answers what it answers on the VM's ports, and nothing more.
        const allowed = network === "audit-edge" && container === "audit-edge-nginx" ? [8080, 9145] : [];
        const odd = (found[i] ?? []).filter((port) => !allowed.includes(port));
        assert.deepEqual(odd, [], `${container} answers ${where} at ${at} on ${network}`);
      }
    }
  }

  it("to a neighbour and to the internet's side, though they route the container networks through the VM", onlyTheEdge);

  it("over IPv4 only, since Docker hides a client's address over IPv6", async () => {
    const bindings = JSON.parse(
      await sandbox().docker("inspect", "--format", "{{json .HostConfig.PortBindings}}", "audit-edge-nginx"),
    ) as Record<string, { HostIp: string }[]>;
    assert.deepEqual(
      [...new Set(Object.values(bindings).flatMap((ports) => ports.map(({ HostIp }) => HostIp)))],
      ["0.0.0.0"],
    );
  });

  it("refuses them metrics, which are only for Prometheus's address", async () => {
    for (const [where, who] of Object.entries(curious)) {
      for (const path of ["/metrics/nginx", "/metrics/audit-svc-blue-1", "/targets"]) {
        const ask = `exec 3<>/dev/tcp/${await vm2(who)}/9145; printf 'GET ${path} HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3; head -1 <&3`;
        assert.match(await docker("exec", who, "bash", "-c", ask), /^HTTP\/1\.1 403/, `${path} from ${where}`);
      }
    }
  });

  it("after a reboot of the VM as well", async () => {
    await docker("restart", "--time", "20", platform("vm2"));
    await until("the service answers again", 120, async () =>
      (await sandbox().edge("/healthz")).status === 200 ? true : undefined,
    );
    await until("every container runs again", 60, async () =>
      (await sandbox().docker("ps", "--all", "--format", "{{.Names}} {{.State}}"))
        .split("\n")
        // Except the idle slot's: containers of the former release, or of a deploy that failed before it started them.
        .filter((line) => !/-(blue|green)-\d+ (exited|created)$/.test(line))
        .every((line) => line.endsWith(" running"))
        ? true
        : undefined,
    );
    await onlyTheEdge();
  });
});
