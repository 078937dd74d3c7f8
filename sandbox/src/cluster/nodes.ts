import { UserError } from "../../../offline/lib/user-error.js";
import type { Context } from "../platform/context.js";
import { registryAddress } from "../platform/registry.js";
import { addressOf, containerName, hostName, type Settings } from "../settings.js";
import { until } from "../wait.js";
import { pkiFiles } from "./certificates.js";
import type { Kubectl } from "./kubectl.js";
import { apiAddress, controlPlane, nodeNames, nodePorts, nodeVolume, podRange, type NodeName } from "./layout.js";

/**
 * Runs the nodes as containers of the image that is built from packages. They have the capabilities that containerd and
 * the kubelet need, and are never `--privileged`.
 * @returns true when all ran already
 */
export async function ensureNodes(context: Context, image: string): Promise<boolean> {
  const { engine, settings, state, progress } = context;
  await engine.ensureVolumes(nodeNames.map(nodeVolume), state.dataId);
  let cached = true;
  for (const node of nodeNames) {
    progress(`starting ${node}`);
    const running = await engine.ensureContainer({
      name: containerName(node),
      image,
      hostname: hostName(node),
      address: addressOf(settings, node),
      env: {
        NODE_NAME: node,
        NODE_IP: addressOf(settings, node),
        POD_CIDR: podRange(node),
        PEERS: nodeNames
          .filter((other) => other !== node)
          .map((other) => `${podRange(other)}=${addressOf(settings, other)}`)
          .join(" "),
        API_SERVER: apiAddress(),
        ROLE: node === controlPlane ? "control-plane" : "worker",
      },
      files: [...(await pkiFiles(settings, state, node)), registryFile],
      volumes: { [nodeVolume(node)]: "/var" },
      // So that a restart finds no stale sockets and locks.
      tmpfs: { "/run": "", "/tmp": "" },
      ports: publishedPorts(settings, node),
      capabilities: ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH", "SYSLOG"],
      securityOptions: ["seccomp=unconfined", "apparmor=unconfined"],
      unmaskedPaths: true,
      binds: ["/sys/fs/cgroup:/sys/fs/cgroup:rw"],
      cgroupns: "host",
      stopSeconds: 20,
    });
    cached &&= running;
  }
  return cached;
}

/**
 * Plain HTTP, as for VM2, also where containerd would try HTTPS last and hide the answer by that one's error. The login
 * comes from a pod's imagePullSecret.
 */
export const registryFile = {
  path: `/etc/containerd/certs.d/${registryAddress}/hosts.toml`,
  content: `server = "http://${registryAddress}"\n\n[host."http://${registryAddress}"]\n  capabilities = ["pull", "resolve"]\n`,
};

function publishedPorts({ clusterPorts }: Settings, node: NodeName): Record<number, number> {
  const number = Number(node.slice(-1)) as 1 | 2 | 3;
  const edge = {
    [nodePorts.edge]: clusterPorts[`edge${number}`],
    [nodePorts.edgeTls]: clusterPorts[`edgeTls${number}`],
  };
  return node === controlPlane ? { ...edge, 6443: clusterPorts.api } : edge;
}

interface NodeList {
  items: { metadata: { name: string }; status: { conditions?: { type: string; status: string }[] } }[];
}

/** @throws UserError with the last lines of the control plane */
export const waitForApi = (context: Context, kubectl: Kubectl): Promise<void> =>
  orExplain(
    context,
    () => controlPlane,
    async () => {
      context.progress("waiting for the API");
      await until("The API", 90, async () => ((await kubectl.ready()) ? true : undefined), 500);
    },
  );

/** @throws UserError with the last lines of a node that does not become ready */
export async function waitForNodes(context: Context, kubectl: Kubectl): Promise<void> {
  let missing: readonly NodeName[] = nodeNames;
  await orExplain(
    context,
    () => missing[0] ?? controlPlane,
    () =>
      until(
        "The nodes",
        120,
        async () => {
          const { items } = await kubectl.json<NodeList>("get", "nodes");
          missing = nodeNames.filter((node) => !items.some((item) => item.metadata.name === node && isReady(item)));
          context.progress(`${nodeNames.length - missing.length} of ${nodeNames.length} nodes are ready`);
          return missing.length === 0 ? true : undefined;
        },
        1_000,
      ),
  );
}

const isReady = ({ status }: NodeList["items"][number]): boolean =>
  status.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;

async function orExplain({ engine }: Context, node: () => NodeName, work: () => Promise<unknown>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new UserError(
      `The cluster does not become ready. ${error instanceof Error ? error.message : String(error)}\n` +
        `The last lines of ${node()}:\n${await engine.logs(containerName(node()), 30)}\n` +
        "Run `make cluster` again; if that does not help, `make cluster-down` and then `make cluster` make it anew.",
    );
  }
}
