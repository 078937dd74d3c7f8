import { readFileSync } from "node:fs";
import { join } from "node:path";
import { stringify } from "yaml";
import { versions } from "../../../offline/lib/versions.js";
import type { Settings } from "../settings.js";
import { until } from "../wait.js";
import type { Kubectl } from "./kubectl.js";
import { platformHosts } from "./layout.js";

const manifest = (settings: Settings, name: string): string =>
  readFileSync(join(settings.root, "sandbox/platform/cluster", name), "utf8");

/** Rights of the components; the nodes need them before they are whole. @returns true when there was nothing to do */
export const ensureRights = (settings: Settings, kubectl: Kubectl): Promise<boolean> =>
  kubectl.apply(manifest(settings, "rights.yaml"));

/** CoreDNS in the cluster. @returns true when there was nothing to do */
export async function ensureDns(settings: Settings, kubectl: Kubectl): Promise<boolean> {
  const config = stringify({
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: { name: "coredns", namespace: "kube-system" },
    data: { Corefile: manifest(settings, "Corefile"), hosts: platformHosts(settings) },
  });
  const dns = manifest(settings, "dns.yaml").replace("@COREDNS_VERSION@", versions().tools.coredns);
  const same = await kubectl.apply(config, dns);
  await kubectl.run(["--namespace", "kube-system", "rollout", "status", "deployment/coredns", "--timeout", "120s"]);
  return same;
}

/** Vault's token for the API, with which it has the tokens of pods reviewed. */
export async function reviewerToken(settings: Settings, kubectl: Kubectl): Promise<string> {
  await kubectl.apply(manifest(settings, "vault-reviewer.yaml"));
  return until("The token of vault-token-reviewer", 30, async () => {
    const { data } = await kubectl.json<{ data?: { token?: string } }>(
      ...["get", "secret", "vault-token-reviewer", "--namespace", "kube-system"],
    );
    return data?.token === undefined ? undefined : Buffer.from(data.token, "base64").toString("utf8");
  });
}
