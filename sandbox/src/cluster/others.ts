import { existsSync, readFileSync } from "node:fs";
import { stringify } from "yaml";
import { attempt } from "../../../offline/lib/run.js";
import { failure } from "../../../offline/lib/failures.js";
import { UserError } from "../../../offline/lib/user-error.js";
import { ignoreMissing } from "../docker.js";
import type { Context } from "../platform/context.js";
import { networkName, sandboxName, type Settings } from "../settings.js";
import type { State } from "../state.js";
import { until } from "../wait.js";
import type { Access } from "./access.js";
import { Kubectl } from "./kubectl.js";
import { contextName, kubeconfigFile, nodePorts } from "./layout.js";
import { registryFile } from "./nodes.js";

interface Kubeconfig {
  clusters: { cluster: { server: string; "certificate-authority-data"?: string } }[];
  contexts: { name: string }[];
  "current-context": string;
}

/** Creates a cluster with kind on the platform's network, where images can be pulled. */
export async function ensureKindCluster(
  context: Context,
  image: string,
  kind: string,
  kubectlProgram: string,
): Promise<Access> {
  const { engine, settings, state, progress } = context;
  const run = async (args: string[]): Promise<string> => {
    const env = { KIND_EXPERIMENTAL_DOCKER_NETWORK: networkName, ...ownKubeconfig(state) };
    const result = await attempt(kind, [...args, "--name", sandboxName], { env, timeout: 600_000 });
    if (!result.ok) throw failure(`run kind ${args.join(" ")}`, result.all);
    return result.stdout;
  };
  const made = await attempt(kind, ["get", "clusters"]);
  const cached = made.stdout.split("\n").includes(sandboxName);
  if (!cached) {
    progress("making the cluster by kind");
    await run([
      "create",
      "cluster",
      "--image",
      image,
      "--config",
      state.write("cluster/kind.yaml", kindConfig(settings)),
    ]);
  }
  const nodes = (await run(["get", "nodes"])).trim().split("\n").sort();
  for (const node of nodes) {
    // They are stopped after a restart of the machine; starting a running one does nothing.
    await ignoreMissing(engine.docker.getContainer(node).start());
    await engine.putFiles(node, [registryFile]);
  }
  const raw = await run(["get", "kubeconfig"]);
  const kubectl = await adopt(context, kubectlProgram, raw);
  await until("The API", 120, async () => ((await kubectl.ready()) ? true : undefined), 1_000);
  return {
    ...{ kubectl, nodes, cached, detail: `${nodes.length} nodes by kind` },
    api: { host: `https://${sandboxName}-control-plane:6443`, authority: authorityIn(context) },
    edge: `http://127.0.0.1:${settings.clusterPorts.edge1}`,
  };
}

/** kind also writes the cluster's login into a kubeconfig, as its current context: never into the developer's. */
const ownKubeconfig = (state: State): NodeJS.ProcessEnv => ({ KUBECONFIG: state.path(kubeconfigFile) });

export async function removeKindCluster(kind: string, state: State): Promise<void> {
  const args = ["delete", "cluster", "--name", sandboxName];
  const result = await attempt(kind, args, { env: ownKubeconfig(state), timeout: 120_000 });
  if (!result.ok) throw failure("remove the cluster by kind", result.all);
}

/** Like the cluster from packages: pods may run on the control plane's node, and the ports are the same. */
export function kindConfig({ clusterPorts }: Pick<Settings, "clusterPorts">): string {
  const ports = (number: 1 | 2 | 3) => [
    { containerPort: nodePorts.edge, hostPort: clusterPorts[`edge${number}`], listenAddress: "127.0.0.1" },
    { containerPort: nodePorts.edgeTls, hostPort: clusterPorts[`edgeTls${number}`], listenAddress: "127.0.0.1" },
  ];
  const noTaints = "kind: InitConfiguration\nnodeRegistration:\n  taints: []\n";
  return stringify({
    kind: "Cluster",
    apiVersion: "kind.x-k8s.io/v1alpha4",
    networking: { apiServerAddress: "127.0.0.1", apiServerPort: clusterPorts.api },
    nodes: [
      { role: "control-plane", extraPortMappings: ports(1), kubeadmConfigPatches: [noTaints] },
      { role: "worker", extraPortMappings: ports(2) },
      { role: "worker", extraPortMappings: ports(3) },
    ],
  });
}

/**
 * Uses the cluster of the current context in SANDBOX_KUBECONFIG. Its pods must be able to reach this machine's
 * sandbox, and Vault its API. The cluster itself is never created or removed here.
 */
export async function useGivenCluster(context: Context, path: string, kubectlProgram: string): Promise<Access> {
  if (!existsSync(path)) throw new UserError(`SANDBOX_KUBECONFIG=${path}: there is no such file.`);
  const kubectl = await adopt(context, kubectlProgram, readFileSync(path, "utf8"));
  const { items } = await kubectl.json<{ items: { status: { addresses: { type: string; address: string }[] } }[] }>(
    ...["get", "nodes"],
  );
  const nodes = items.flatMap(({ status }) =>
    status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address),
  );
  const [node] = nodes;
  if (node === undefined) throw new UserError(`The cluster of SANDBOX_KUBECONFIG=${path} has no nodes.`);
  return {
    ...{ kubectl, nodes, cached: true, detail: `the cluster of ${path}` },
    api: { host: read(context).clusters[0]?.cluster.server ?? "", authority: authorityIn(context) },
    edge: `http://${node}:${nodePorts.edge}`,
  };
}

/** Reduces a kubeconfig to its current context, renamed to the sandbox's name for it. */
async function adopt({ state }: Context, program: string, raw: string): Promise<Kubectl> {
  const file = state.write(kubeconfigFile, raw);
  const config = ["config", "--kubeconfig", file];
  const view = await attempt(program, [...config, "view", "--minify", "--flatten", "--raw", "--output", "json"]);
  if (!view.ok) throw failure("read the cluster's kubeconfig", view.all);
  const chosen = JSON.parse(view.stdout) as Kubeconfig;
  const [only] = chosen.contexts;
  if (only === undefined) throw new UserError("The cluster's kubeconfig has no current context.");
  state.writeJson(kubeconfigFile, {
    ...chosen,
    contexts: [{ ...only, name: contextName }],
    "current-context": contextName,
  });
  return new Kubectl(program, file);
}

const read = ({ state }: Context): Kubeconfig => JSON.parse(state.readText(kubeconfigFile) ?? "") as Kubeconfig;

const authorityIn = (context: Context): string =>
  Buffer.from(read(context).clusters[0]?.cluster["certificate-authority-data"] ?? "", "base64").toString("utf8");
