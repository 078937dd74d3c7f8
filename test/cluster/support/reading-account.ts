import { readFileSync } from "node:fs";
import { parse, stringify } from "yaml";
import { until } from "../../e2e/support/sandbox";
import type { Cluster } from "./cluster";

const NAME = "audit-drift";
const metadata = { name: NAME };
const account = { ...metadata, namespace: "kube-system" };

/** As docs/cluster.md says it of the account of the job `drift`. */
const READ = {
  apiGroups: ["", "apps", "autoscaling", "batch", "networking.k8s.io", "policy"],
  resources: [
    ...["namespaces", "deployments", "services", "configmaps", "serviceaccounts", "networkpolicies", "jobs", "pods"],
    ...["poddisruptionbudgets", "horizontalpodautoscalers", "pods/log", "events", "replicasets"],
  ],
  verbs: ["get", "list", "watch"],
};

/** An account of the cluster that only reads. */
export class ReadingAccount {
  private constructor(
    private readonly cluster: Cluster,
    /** Its login, with the context of the cluster's own kubeconfig. */
    readonly kubeconfig: string,
    readonly token: string,
  ) {}

  static async make(cluster: Cluster): Promise<ReadingAccount> {
    const rbac = "rbac.authorization.k8s.io";
    const subjects = [{ kind: "ServiceAccount", ...account }];
    const of = { "kubernetes.io/service-account.name": NAME };
    for (const manifest of [
      { apiVersion: "v1", kind: "ServiceAccount", metadata: account },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRole", metadata, rules: [READ] },
      { apiVersion: `${rbac}/v1`, kind: "ClusterRoleBinding", metadata, subjects, roleRef: { apiGroup: rbac, kind: "ClusterRole", name: NAME } },
      { apiVersion: "v1", kind: "Secret", metadata: { ...account, annotations: of }, type: "kubernetes.io/service-account-token" },
    ]) await cluster.apply(manifest); // prettier-ignore
    const token = await until("the account's token", 30, async () => {
      const { data } = await cluster.json<{ data?: { token?: string } }>(
        "get",
        "secret",
        NAME,
        "-n",
        account.namespace,
      );
      return data?.token === undefined ? undefined : Buffer.from(data.token, "base64").toString();
    });
    const own = parse(readFileSync(cluster.get("KUBECONFIG"), "utf8")) as { users: { name: string }[] };
    const users = own.users.map(({ name }) => ({ name, user: { token } }));
    return new ReadingAccount(cluster, stringify({ ...own, users }), token);
  }

  async remove(): Promise<void> {
    const there = ["--ignore-not-found", NAME];
    await this.cluster.kubectl("delete", "clusterrolebinding,clusterrole", ...there);
    await this.cluster.kubectl("delete", "secret,serviceaccount", "-n", account.namespace, ...there);
  }
}
