import { rmSync } from "node:fs";
import * as artifacts from "../artifacts/index.js";
import { runSteps } from "../display.js";
import { Engine, ignoreMissing } from "../docker.js";
import { requireOpenVault } from "../environment.js";
import type { Context } from "../platform/context.js";
import { vaultAddress } from "../platform/vault.js";
import { Pulumi } from "../pulumi.js";
import { readRunInfo } from "../run-info.js";
import { containerName, type Settings } from "../settings.js";
import { clusterStack } from "../stack-file.js";
import type { State } from "../state.js";
import { sourceFile, type ClusterSource } from "./cluster.js";
import { clusterDir, nodeNames, nodeVolume } from "./layout.js";
import { removeKindCluster } from "./others.js";
import { removePrometheusJob } from "./prometheus-job.js";
import { removeVaultAuth } from "./vault-auth.js";

/** Removes the cluster's stack with its database, Vault's auth method, Prometheus's job, and the nodes. */
export async function clusterDown(settings: Settings, state: State): Promise<void> {
  await requireOpenVault(vaultAddress({ settings }));
  const engine = Engine.connect(readRunInfo(state).engineHost, settings);
  await runSteps([
    {
      name: "Stack cluster",
      run: async (progress) => {
        if (!state.has(clusterStack.ready)) return { cached: true };
        await new Pulumi(settings, state, progress, clusterStack).remove();
        for (const file of [clusterStack.ready, clusterStack.file, clusterStack.generated])
          rmSync(state.path(file), { force: true });
        return undefined;
      },
    },
    {
      name: "Vault and Prometheus",
      run: async (progress) => {
        const context: Context = { settings, state, engine, progress };
        await removeVaultAuth(context);
        await removePrometheusJob(context);
        return undefined;
      },
    },
    {
      name: "Nodes",
      run: async (progress) => {
        await removeNodes(engine, state, progress);
        for (const path of [clusterDir, "vault-settings-cluster.json", "bin/kubectl"])
          rmSync(state.path(path), { recursive: true, force: true });
        return undefined;
      },
    },
  ]);
}

async function removeNodes(engine: Engine, state: State, progress: (line: string) => void): Promise<void> {
  if (clusterSource(state) === "kind") return removeByKind(state, progress);
  const containers = await engine.containers();
  await Promise.all(
    nodeNames.map(async (node) => {
      progress(`stopping ${node}`);
      if (containers.has(containerName(node))) await engine.remove(containerName(node), 20);
      await ignoreMissing(engine.docker.getVolume(nodeVolume(node)).remove());
    }),
  );
}

/** kind manages its own nodes, so `make down` removes them through kind, too. */
export async function removeByKind(state: State, progress: (line: string) => void): Promise<void> {
  const kind = await artifacts.ensureKind(await artifacts.decideSources(progress), progress);
  await removeKindCluster(kind.path, state);
}

export const clusterSource = (state: State): ClusterSource | undefined =>
  state.readText(sourceFile) as ClusterSource | undefined;
