import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse, parseAllDocuments } from "yaml";
import { root, run } from "../../e2e/support/sandbox";
import type { Cluster } from "./cluster";

const FILE = join(root, "bootstrap/kubernetes.yaml");

/** Accounts of the cluster that are no administrator's, made as docs/cluster.md says. */
export class Accounts {
  private constructor(
    private readonly cluster: Cluster,
    /** Text of the kubeconfig of each, with the context of the cluster's own. */
    readonly kubeconfig: { readonly deploy: string; readonly drift: string },
  ) {}

  static async make(cluster: Cluster): Promise<Accounts> {
    await cluster.kubectl("apply", "--server-side", "--filename", FILE);
    const kubeconfig = async (account: string): Promise<string> => {
      const { code, output, stdout } = await run(["sh", "bootstrap/kubeconfig.sh", account], cluster.env);
      assert.equal(code, 0, output);
      return stdout;
    };
    return new Accounts(cluster, { deploy: await kubeconfig("deploy"), drift: await kubeconfig("drift") });
  }

  /** Their tokens. */
  get tokens(): string[] {
    return Object.values(this.kubeconfig).flatMap((text) =>
      (parse(text) as { users: { user: { token: string } }[] }).users.map(({ user }) => user.token),
    );
  }

  /** Leaves the namespace, which is the stack's. */
  async remove(): Promise<void> {
    const items = parseAllDocuments(readFileSync(FILE, "utf8"))
      .map((document) => document.toJS() as { kind: string })
      .filter(({ kind }) => kind !== "Namespace");
    const list = JSON.stringify({ apiVersion: "v1", kind: "List", items });
    const { code, output } = await run(["kubectl", "delete", "--ignore-not-found", "--filename", "-"], this.cluster.env, list); // prettier-ignore
    assert.equal(code, 0, output);
  }
}
