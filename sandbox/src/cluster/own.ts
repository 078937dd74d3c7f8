import type { Context } from "../platform/context.js";
import { hostName } from "../settings.js";
import type { Access } from "./access.js";
import { ensureDns, ensureRights } from "./addons.js";
import { clusterAuthority, kubeconfig } from "./certificates.js";
import { Kubectl } from "./kubectl.js";
import { apiAddress, controlPlane, kubeconfigFile, nodeNames } from "./layout.js";
import { ensureNodes, waitForApi, waitForNodes } from "./nodes.js";

/** Brings up the cluster from package registries alone: nodes, rights of the components, DNS. */
export async function ensureOwnCluster(context: Context, image: string, program: string): Promise<Access> {
  const { settings, state } = context;
  const kubectl = new Kubectl(program, state.write(kubeconfigFile, await kubeconfig(settings, state)));
  const running = await ensureNodes(context, image);
  await waitForApi(context, kubectl);
  const sameRights = await ensureRights(settings, kubectl);
  await waitForNodes(context, kubectl);
  // A kubelet may not set this label on its own node.
  await kubectl.run(["label", "--overwrite", "node", controlPlane, "node-role.kubernetes.io/control-plane="]);
  context.progress("waiting for the cluster's DNS");
  const sameDns = await ensureDns(settings, kubectl);
  return {
    kubectl,
    api: { host: apiAddress(), authority: await clusterAuthority(state) },
    nodes: nodeNames.map(hostName),
    edge: `http://127.0.0.1:${settings.clusterPorts.edge1}`,
    cached: running && sameRights && sameDns,
    detail: `${nodeNames.length} nodes, Kubernetes built from Go modules`,
  };
}
