import { readdirSync, rmSync } from "node:fs";
import type Docker from "dockerode";
import { type Progress, runSteps } from "./display.js";
import { Engine, ignoreMissing, ownerLabel } from "./docker.js";
import * as artifacts from "./artifacts/index.js";
import { clusterSource, removeByKind } from "./cluster/down.js";
import { closeSsh } from "./platform/vm2.js";
import type { RunInfo } from "./run-info.js";
import { networkName, sandboxName, type Settings } from "./settings.js";
import type { State } from "./state.js";

export interface DownOptions {
  /** Also remove volumes and keys, permanently. Otherwise the next `up` finds its data again. */
  deleteData: boolean;
}

/**
 * Removes the sandbox: containers, network, optionally its data, and the Docker Engine if the sandbox started it and
 * nobody else uses it.
 */
export async function down(settings: Settings, state: State, options: DownOptions): Promise<void> {
  const { deleteData } = options;
  let others = 0;
  await runSteps([
    {
      name: "Containers, network" + (deleteData ? ", volumes" : ""),
      run: async (progress) => {
        await closeSsh(settings, state);
        const host =
          state.readJson<RunInfo>("run.json")?.engineHost ?? process.env.DOCKER_HOST ?? "unix:///var/run/docker.sock";
        const engine = Engine.connect(host, settings);
        const answers = () => engine.docker.ping().then(() => true, () => false); // prettier-ignore
        let reached = await answers();
        if (!reached && deleteData && state.has("data-id")) {
          // Only an engine can remove volumes, and a `make down` before this one has stopped it.
          await artifacts.ensureEngine(progress);
          reached = await answers();
        }
        if (!reached) return { cached: true, detail: `no Docker Engine answers at ${host}, so nothing runs` };
        if (clusterSource(state) === "kind") await removeByKind(state, progress);
        const removed = await removeFromEngine(engine, settings, deleteData, progress);
        others = (await engine.docker.listContainers()).length;
        return removed;
      },
    },
    {
      name: "Docker Engine",
      run: async () => {
        // Another work tree's sandbox may be using it.
        if (others > 0)
          return { cached: true, detail: `left running for ${others} containers that are not this sandbox's` };
        return artifacts.stopEngine().then(() => undefined);
      },
    },
    {
      name: "State",
      run: async () => {
        if (!deleteData)
          return Promise.resolve({
            cached: true,
            detail: "volumes and keys are kept; make down DATA=delete removes them",
          });
        for (const entry of readdirSync(state.dir)) {
          // This process needs the lock until it ends, and another may be asking for it with a draft; the engine's
          // record says which sandbox may stop it once nobody uses it.
          if (!/^lock(\.|$)/.test(entry) && !(entry === "engine" && others > 0))
            rmSync(state.path(entry), { recursive: true, force: true });
        }
        return Promise.resolve(undefined);
      },
    },
  ]);
}

async function removeFromEngine(
  engine: Engine,
  settings: Settings,
  deleteData: boolean,
  progress: Progress,
): Promise<{ cached: boolean; detail: string }> {
  const mine = { label: [`${ownerLabel}=${settings.checkout}`] };
  const containers = [...(await engine.containers())].filter(
    ([, info]) => info.Labels[ownerLabel] === settings.checkout,
  );
  await Promise.all(
    containers.map(async ([name]) => {
      progress(`stopping ${name}`);
      await engine.remove(name, 30);
    }),
  );
  const networks = await engine.docker.listNetworks({ filters: mine });
  for (const { Id } of networks) {
    progress(`removing the network ${networkName}`);
    const network = engine.docker.getNetwork(Id);
    await freeFromOthers(engine, network, progress);
    await ignoreMissing(network.remove());
  }
  const { Volumes } = deleteData ? await engine.docker.listVolumes({ filters: mine }) : { Volumes: [] };
  for (const volume of Volumes) {
    progress(`removing the volume ${volume.Name}`);
    await engine.docker.getVolume(volume.Name).remove();
  }
  return {
    cached: containers.length === 0 && networks.length === 0 && Volumes.length === 0,
    detail: `${containers.length} containers, ${networks.length} networks, ${Volumes.length} volumes removed`,
  };
}

/**
 * A network cannot go while a container is on it. Those that a killed `make test` or `make bench` has left are named
 * after the sandbox, and go with it; anybody else's are only taken off the network.
 */
async function freeFromOthers(engine: Engine, network: Docker.Network, progress: Progress): Promise<void> {
  const { Containers = {} } = (await network.inspect()) as { Containers?: Record<string, { Name: string }> };
  for (const [id, { Name }] of Object.entries(Containers)) {
    if (Name.startsWith(`${sandboxName}-`)) {
      progress(`removing ${Name}, which was left over`);
      await ignoreMissing(engine.docker.getContainer(id).remove({ force: true, v: true }));
    } else {
      progress(`taking ${Name}, which is not the sandbox's, off its network`);
      await ignoreMissing(network.disconnect({ Container: id, Force: true }));
    }
  }
}
