import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { attached, platform, platformNetwork, root, run } from "./support/sandbox";

/**
 * A neighbour on the subnet: a container on the platform's network, beside VM2. It does what a curious one would do: it
 * routes every container network through VM2 and knocks on every address there.
 */
describe("journey: from a neighbour, only the edge's ports answer", function () {
  const sandbox = attached();
  const name = platform("test-neighbour");
  const ports = [22, 80, 443, 2375, 2376, 5432, 8080, 8081, 8082, 8200, 9090, 9113, 9145];
  let engine: NodeJS.ProcessEnv;

  const docker = async (...args: string[]): Promise<string> => {
    const { code, output } = await run(["docker", ...args], engine);
    if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${output}`);
    return output.trim();
  };

  before(async () => {
    const { engineHost } = JSON.parse(readFileSync(join(root, ".sandbox/run.json"), "utf8")) as { engineHost: string };
    engine = { ...process.env, DOCKER_HOST: engineHost };
    const vm2 = await docker("inspect", "--format", "{{.Config.Image}}", platform("vm2"));
    await docker("rm", "--force", name).catch(() => undefined);
    // VM2's own image has ip and bash; nothing of VM2 runs in it here.
    await docker(
      "run",
      "--detach",
      "--name",
      name,
      "--network",
      platformNetwork,
      "--cap-add",
      "NET_ADMIN",
      "--entrypoint",
      "sleep",
      vm2,
      "600",
    );
  });
  after(async () => {
    await docker("rm", "--force", name).catch(() => undefined);
  });

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

  /** Which of the ports accept a connection from the neighbour. */
  async function open(address: string): Promise<number[]> {
    const knock = ports
      .map((p) => `(timeout 1 bash -c '</dev/tcp/${address}/${p}' 2>/dev/null && echo ${p}) &`)
      .join(" ");
    const said = await docker("exec", name, "bash", "-c", `${knock} wait`);
    return said
      .split("\n")
      .filter(Boolean)
      .map(Number)
      .sort((a, b) => a - b);
  }

  it("finds ssh, the service and the metrics listener on the VM itself", async () => {
    const address = await docker("exec", name, "getent", "hosts", "vm2.sandbox.test");
    assert.deepEqual(await open(address.split(/\s+/)[0] ?? ""), [22, 80, 9145]);
  });

  it("reaches nothing else by routing the container networks through the VM", async () => {
    const all = await addresses();
    assert.ok(all.some((a) => a.network === "audit-front") && all.some((a) => a.network === "audit-admin"));
    const gateway = (await docker("exec", name, "getent", "hosts", "vm2.sandbox.test")).split(/\s+/)[0] ?? "";
    for (const subnet of new Set(all.map((a) => a.subnet))) {
      await docker("exec", "--user", "0", name, "ip", "route", "replace", subnet, "via", gateway);
    }
    for (const { network, container, address } of all) {
      // Nginx's own address on its published network answers what it answers on the VM's ports, and nothing more.
      const allowed = network === "audit-edge" && container === "audit-edge-nginx" ? [8080, 9145] : [];
      const found = await open(address);
      assert.deepEqual(
        found.filter((p) => !allowed.includes(p)),
        [],
        `${container} answers at ${address} on ${network}`,
      );
    }
  });

  it("is refused metrics, which are for Prometheus's address alone", async () => {
    for (const path of ["/metrics/nginx", "/metrics/audit-svc-blue-1"]) {
      const said = await docker(
        "exec",
        name,
        "bash",
        "-c",
        `exec 3<>/dev/tcp/vm2.sandbox.test/9145; printf 'GET ${path} HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n' >&3; head -1 <&3`,
      );
      assert.match(said, /^HTTP\/1\.1 403/, path);
    }
  });
});
