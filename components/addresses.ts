import type { Slot } from "./release";

/** Main port of a replica, on the front network. */
export const SERVICE_PORT = 8080;
/** Admin port of a replica (`POST /reload`), on the admin network. */
export const ADMIN_PORT = 8081;
/** Most replicas that the address plan has room for. */
export const MAX_REPLICAS = 16;

export interface AddressPlan {
  /** Nginx, the exporter and the service's main port; the agent too, while an image takes its reload there. */
  front: { subnet: string; gateway: string; edge: string; exporter: string; agent: string };
  /** The agent and the service's admin port. */
  admin: { subnet: string; gateway: string; agent: string };
  /** Addresses of a replica on both networks; `index` counts from 0. */
  replica(slot: Slot, index: number): { front: string; admin: string };
}

/**
 * Fixed addresses on the VM. They are fixed because nginx resolves its upstreams once, at start, and must start while a
 * slot is still empty; and because a listener bound to one address answers on that one network alone.
 *
 * @param prefix first two octets, for example "172.29"
 */
export function addressPlan(prefix: string): AddressPlan {
  const front = `${prefix}.96`;
  const admin = `${prefix}.97`;
  return {
    front: {
      subnet: `${front}.0/24`,
      gateway: `${front}.1`,
      edge: `${front}.2`,
      exporter: `${front}.3`,
      agent: `${front}.4`,
    },
    admin: { subnet: `${admin}.0/24`, gateway: `${admin}.1`, agent: `${admin}.2` },
    replica: (slot, index) => {
      const last = (slot === "blue" ? 16 : 48) + index;
      return { front: `${front}.${last}`, admin: `${admin}.${last}` };
    },
  };
}
