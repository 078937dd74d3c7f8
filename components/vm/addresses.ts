import type { Slot } from "../../lib/release-state";
import { UserError } from "../../lib/user-error";

/** Main port of a replica, on the front network. */
export const SERVICE_PORT = 8080;
/** Admin port of a replica (`POST /reload`), on the admin network. */
export const ADMIN_PORT = 8081;
/** Largest number of replicas that the address plan has room for. */
export const MAX_REPLICAS = 16;

/** The range of a network, and the address of its gateway. */
export interface Subnet {
  subnet: string;
  gateway: string;
}

export interface AddressPlan {
  /** Nginx, the exporter and the service's main port; also the agent, while an image takes its reload there. */
  front: Subnet & { edge: string; exporter: string; agent: string };
  /** The agent and the service's admin port. */
  admin: Subnet & { agent: string };
  /** The way out, and where nginx's ports are published; undefined where Docker chooses from its own pools. */
  egress: Subnet | undefined;
  edge: Subnet | undefined;
  /** Addresses of a replica on both networks; `index` counts from 0. */
  replica(slot: Slot, index: number): { front: string; admin: string };
}

/**
 * Fixed addresses on the VM, for two reasons. Nginx resolves its upstreams once, at start, and must start while a slot
 * is still empty. And a listener bound to one address answers only on that network.
 *
 * @param range a /22 range for all four networks, for example "10.20.4.0/22"; or the first two octets for `front` and
 * `admin`, for example "172.29", in which case Docker chooses the other two
 * @throws UserError when it is neither
 */
export function addressPlan(range: string): AddressPlan {
  const [, prefix = "", third, length] = /^(\d+\.\d+)(?:\.(\d+)\.0\/(22))?$/.exec(range) ?? [];
  const begin = third === undefined ? 96 : Number(third);
  if (prefix === "" || begin % 4 !== 0)
    throw new UserError(
      `Networks: the range must be two octets, such as 172.29, or a range of /22, such as 10.20.4.0/22, not ${range}`,
    );
  const subnet = (index: number): Subnet => {
    const octets = `${prefix}.${begin + index}`;
    return { subnet: `${octets}.0/24`, gateway: `${octets}.1` };
  };
  const front = `${prefix}.${begin}`;
  const admin = `${prefix}.${begin + 1}`;
  return {
    front: { ...subnet(0), edge: `${front}.2`, exporter: `${front}.3`, agent: `${front}.4` },
    admin: { ...subnet(1), agent: `${admin}.2` },
    egress: length === undefined ? undefined : subnet(2),
    edge: length === undefined ? undefined : subnet(3),
    replica: (slot, index) => {
      const last = (slot === "blue" ? 16 : 48) + index;
      return { front: `${front}.${last}`, admin: `${admin}.${last}` };
    },
  };
}
