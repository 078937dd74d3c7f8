import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ensureKindCluster, removeKindCluster } from "../../src/cluster/others.js";
import type { Context } from "../../src/platform/context.js";
import { readSettings } from "../../src/settings.js";
import { State } from "../../src/state.js";

describe("a cluster by kind", () => {
  const { KUBECONFIG } = process.env;
  let root: string;
  let state: State;
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), "kind-"));
    state = new State({ ...readSettings({}), stateDir: join(root, ".sandbox") });
    process.env.KUBECONFIG = join(root, "developers");
    writeFileSync(process.env.KUBECONFIG, "mine\n");
  });
  afterEach(() => {
    if (KUBECONFIG === undefined) delete process.env.KUBECONFIG;
    else process.env.KUBECONFIG = KUBECONFIG;
    rmSync(root, { recursive: true });
  });

  function program(name: string, script: string): string {
    writeFileSync(join(root, name), `#!/bin/sh\n${script}`, { mode: 0o755 });
    return join(root, name);
  }

  it("leaves the developer's kubeconfig as it is", async () => {
    // As kind does it: https://kind.sigs.k8s.io/docs/user/quick-start/#interacting-with-your-cluster
    const kind = program(
      "kind",
      `case "$1 $2" in
  "create cluster" | "delete cluster") echo "kind: $1" >> "\${KUBECONFIG:-$HOME/.kube/config}" ;;
  "get nodes") echo node ;;
esac
`,
    );
    const config = JSON.stringify({ clusters: [{ cluster: {} }], contexts: [{ name: "kind" }] });
    const kubectl = program("kubectl", `case "$*" in *readyz*) echo ok ;; *) echo '${config}' ;; esac\n`);
    const engine = {
      docker: { getContainer: () => ({ start: () => Promise.resolve() }) },
      putFiles: () => Promise.resolve(),
    };
    const settings = readSettings({});
    const context = { engine, settings, state, progress: () => undefined } as unknown as Context;
    await ensureKindCluster(context, "image", kind, kubectl);
    await removeKindCluster(kind, state);
    assert.equal(readFileSync(join(root, "developers"), "utf8"), "mine\n");
  });
});
