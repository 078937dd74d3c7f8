import type * as docker from "@pulumi/docker";
import { defineResource, type StateOf } from "../framework/index.js";
import type { DockerContext } from "./context.js";
import { EngineError } from "./engine.js";
import { labelList, labelMap } from "./network.js";
import { asPlanned } from "./planned.js";
import { until } from "./waiting.js";

/** How long the removal waits for the last container to let go, in seconds. */
const REMOVE_TIMEOUT = 30;

interface Inspected {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
}

function fromInspect(found: Inspected): StateOf<typeof docker.Volume> {
  return {
    name: found.Name,
    driver: found.Driver,
    mountpoint: found.Mountpoint,
    labels: labelList(found.Labels),
    driverOpts: found.Options ?? {},
  };
}

/** A volume of the engine. Creating one whose name is taken adopts what is there, with its own labels and options; deleting removes that too. */
export const volume = defineResource<typeof docker.Volume, DockerContext>({
  token: "docker:index/volume:Volume",
  inputs: {
    name: { forceNew: true, computed: true, autoname: true },
    driver: { forceNew: true, computed: true },
    driverOpts: { forceNew: true },
    labels: { forceNew: true, unordered: true, fields: { label: { required: true }, value: { required: true } } },
  },
  outputs: { mountpoint: {} },
  async create(ctx, inputs) {
    let created: Inspected;
    try {
      created = (await ctx.engine.request("POST", "/volumes/create", {
        body: {
          Name: inputs.name,
          Driver: inputs.driver,
          DriverOpts: inputs.driverOpts,
          Labels: labelMap(inputs.labels),
        },
      })) as Inspected;
    } catch (error) {
      throw new Error(`Unable to create volume: ${(error as Error).message}`, { cause: error });
    }
    return { id: created.Name, state: asPlanned(fromInspect(created), inputs, ["labels"]) };
  },
  async read(ctx, id) {
    try {
      return {
        id,
        state: fromInspect((await ctx.engine.request("GET", `/volumes/${encodeURIComponent(id)}`)) as Inspected),
      };
    } catch (error) {
      if (error instanceof EngineError && error.status === 404) return undefined;
      throw new Error(`Unable to inspect volume: ${(error as Error).message}`, { cause: error });
    }
  },
  async delete(ctx, id, _state, call) {
    const what = `volume ${id} to be let go by its containers; see \`docker ps -a --filter volume=${id}\``;
    await until(what, REMOVE_TIMEOUT, call.signal, async () => {
      try {
        await ctx.engine.request("DELETE", `/volumes/${encodeURIComponent(id)}`, { query: { force: true } });
        return "done";
      } catch (error) {
        if (/volume is in use/i.test((error as Error).message)) return "again";
        throw error;
      }
    });
  },
});
