import type * as docker from "@pulumi/docker";
import { defineResource, type InputsOf, type StateOf } from "../framework/index.js";
import type { DockerContext } from "./context.js";
import { EngineError } from "./engine.js";
import { asPlanned } from "./planned.js";
import { until } from "./waiting.js";

type Inputs = InputsOf<typeof docker.Network>;
type State = StateOf<typeof docker.Network>;
type IpamConfig = NonNullable<Inputs["ipamConfigs"]>[number];

/** How long the removal waits for the last containers to leave, in seconds. */
const REMOVE_TIMEOUT = 30;

interface Inspected {
  Name: string;
  Driver: string;
  Scope: string;
  Internal: boolean;
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
  IPAM: {
    Driver: string;
    Config:
      { Subnet?: string; Gateway?: string; IPRange?: string; AuxiliaryAddresses?: Record<string, string> }[] | null;
  };
}

/** Labels as the SDK has them, in the order of their names. */
export function labelList(labels: Record<string, string> | null | undefined): { label: string; value: string }[] {
  return Object.entries(labels ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([label, value]) => ({ label, value }));
}

export function labelMap(
  labels: readonly { label: string; value: string }[] | undefined | null,
): Record<string, string> | undefined {
  if (labels === undefined || labels === null || labels.length === 0) return undefined;
  return Object.fromEntries(labels.map(({ label, value }) => [label, value]));
}

function fromInspect(found: Inspected): State {
  const ipamConfigs = (found.IPAM.Config ?? []).map((config) => {
    const result: IpamConfig = {};
    if (config.Subnet !== undefined && config.Subnet !== "") result.subnet = config.Subnet;
    if (config.IPRange !== undefined && config.IPRange !== "") result.ipRange = config.IPRange;
    if (config.Gateway !== undefined && config.Gateway !== "") result.gateway = config.Gateway;
    return result;
  });
  return {
    name: found.Name,
    driver: found.Driver,
    scope: found.Scope,
    internal: found.Internal,
    labels: labelList(found.Labels),
    options: found.Options ?? {},
    ipamDriver: found.IPAM.Driver,
    ipamConfigs,
  };
}

async function inspect(ctx: DockerContext, id: string): Promise<State | undefined> {
  try {
    return fromInspect((await ctx.engine.request("GET", `/networks/${id}`)) as Inspected);
  } catch (error) {
    // Any answer but the network counts as "gone", as in the genuine plugin; only an engine out of reach is an error.
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

/** A network of the engine. Nothing of it can be changed in place. */
export const network = defineResource<typeof docker.Network, DockerContext>({
  token: "docker:index/network:Network",
  inputs: {
    name: { forceNew: true, autoname: true },
    driver: { forceNew: true, computed: true },
    internal: { forceNew: true, computed: true },
    labels: { forceNew: true, unordered: true, fields: { label: { required: true }, value: { required: true } } },
    options: { forceNew: true, computed: true },
    ipamDriver: { forceNew: true, default: "default" },
    ipamConfigs: { forceNew: true, computed: true, unordered: true, fields: { subnet: {}, gateway: {}, ipRange: {} } },
  },
  outputs: { scope: {} },
  async create(ctx, inputs) {
    const Config = inputs.ipamConfigs?.map((config) => ({
      Subnet: config.subnet,
      Gateway: config.gateway,
      IPRange: config.ipRange,
    }));
    let id: string;
    try {
      const created = await ctx.engine.request("POST", "/networks/create", {
        body: {
          Name: inputs.name,
          CheckDuplicate: true,
          Driver: inputs.driver === "" ? undefined : inputs.driver,
          Internal: inputs.internal ?? false,
          Labels: labelMap(inputs.labels),
          Options: inputs.options,
          IPAM: { Driver: inputs.ipamDriver ?? "default", Config },
        },
      });
      id = (created as { Id: string }).Id;
    } catch (error) {
      throw new Error(`Unable to create network: ${(error as Error).message}`, { cause: error });
    }
    const state = await inspect(ctx, id);
    if (state === undefined)
      throw new Error(`Unable to create network: ${inputs.name ?? id} was gone right after it was made`);
    return { id, state: asPlanned(state, inputs, ["labels", "ipamConfigs"]) };
  },
  async read(ctx, id) {
    const state = await inspect(ctx, id);
    return state === undefined ? undefined : { id, state };
  },
  async delete(ctx, id, state, call) {
    const what = `network ${state.name ?? id} to lose its last containers; see \`docker network inspect ${state.name ?? id}\``;
    await until(what, REMOVE_TIMEOUT, call.signal, async () => {
      if ((await inspect(ctx, id)) === undefined) return "done";
      try {
        await ctx.engine.request("DELETE", `/networks/${id}`);
        return "done";
      } catch (error) {
        if (/has active endpoints/i.test((error as Error).message)) return "again";
        throw error;
      }
    });
  },
});
