import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import { argumentName } from "../../lib/argument-names";
import type { DockerHost } from "./docker-host";
import { addressPlan, type AddressPlan } from "./addresses";
import { freeNetworksScript, type Peer } from "./preflight";

export interface NetworksArgs {
  host: DockerHost;
  /** Where the subnets lie: see {@link addressPlan}. */
  range: string;
  /** Largest packet on the networks, bytes; default Docker's, or what a network has. */
  mtu?: number;
  /** What containers must reach: no subnet may take its address. Default none. */
  peers?: readonly Peer[];
}

/** Docker's name for the MTU of a bridge network. */
const MTU_OPTION = "com.docker.network.driver.mtu";

/** The roles of the networks, and which of them nothing may come into from outside. */
const INTERNAL = { front: true, admin: true, egress: false, edge: false } as const;
type Role = keyof typeof INTERNAL;
const ROLES = Object.keys(INTERNAL) as Role[];

/**
 * The container networks on the VM. What may not be reached from outside listens on internal networks alone: Docker
 * drops, on every version of the engine and after every reboot, what comes to an internal network from elsewhere, also
 * from a neighbour that adds a route. Not publishing a port does not give that (docs/decisions/0004).
 *
 * @example
 * const networks = new Networks("audit", {
 *   host,
 *   range: "10.20.4.0/22",
 *   peers: [{ host: "db.example.com", setting: "the database" }],
 * });
 * networks.addresses.replica("blue", 0).front; // 10.20.4.16
 */
export class Networks extends pulumi.ComponentResource {
  readonly addresses: AddressPlan;
  /** Names of the networks, for scripts on the VM. */
  readonly names: Record<Role, string>;
  /** Internal: nginx, the exporter, and the service's main port. */
  readonly front: docker.Network;
  /** Internal: Vault Agent and the service's admin port. Nginx is not on it. */
  readonly admin: docker.Network;
  /** The way out, to PostgreSQL and Vault; nothing listens on it. */
  readonly egress: docker.Network;
  /** Where nginx's ports are published. */
  readonly edge: docker.Network;

  constructor(name: string, args: NetworksArgs, opts?: pulumi.ComponentResourceOptions) {
    super("audit:index:Networks", name, {}, opts);
    this.addresses = addressPlan(args.range);
    this.names = { front: `${name}-front`, admin: `${name}-admin`, egress: `${name}-egress`, edge: `${name}-edge` };
    const free = args.host.script(
      `${name}-subnets`,
      {
        script: freeNetworksScript({
          networks: ROLES.map((role) => ({
            name: this.names[role],
            subnet: this.addresses[role]?.subnet,
            mtu: args.mtu,
            internal: INTERNAL[role],
          })),
          peers: args.peers ?? [],
          settings: { range: argumentName("Networks: range"), mtu: argumentName("Networks: mtu") },
        }),
      },
      { parent: this },
    );
    const network = (role: Role) => {
      const plan = this.addresses[role];
      return new docker.Network(
        `${name}-${role}`,
        {
          name: this.names[role],
          driver: "bridge",
          internal: INTERNAL[role],
          // The gateway is named although it would be this one anyway: Docker reports it only after its next start, and a refresh
          // would then replace the network, and every container on it (seen on 26.1).
          ...(plan === undefined ? {} : { ipamConfigs: [{ subnet: plan.subnet, gateway: plan.gateway }] }),
          ...(args.mtu === undefined ? {} : { options: { [MTU_OPTION]: String(args.mtu) } }),
        },
        // A fixed name or subnet collides with itself when the new network is made before the old one is gone.
        { parent: this, ...args.host.named(this.names[role], "there"), dependsOn: [free] },
      );
    };
    this.front = network("front");
    this.admin = network("admin");
    this.egress = network("egress");
    this.edge = network("edge");
    this.registerOutputs({});
  }
}
