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
  /** MTU of the networks, bytes; default: what a network has, or Docker's default for a new one. */
  mtu?: number;
  /** What containers must reach: no subnet may take its address. Default none. */
  peers?: readonly Peer[];
}

/** Docker's name for the MTU of a bridge network. */
const MTU_OPTION = "com.docker.network.driver.mtu";

/** The roles of the networks, and whether each is internal. */
const INTERNAL = { front: true, admin: true, egress: false, edge: false } as const;
type Role = keyof typeof INTERNAL;
const ROLES = Object.keys(INTERNAL) as Role[];

/**
 * The container networks on the VM. Whatever must not be reachable from outside listens only on internal networks. On
 * every engine version and after every reboot, Docker drops packets that come to an internal network from outside, even
 * from a neighbour that adds a route. Merely not publishing a port does not achieve that (docs/decisions/0004).
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
          // The gateway is set although Docker would choose the same: otherwise Docker reports it only after its next
          // start, and a refresh would then replace the network and every container on it (seen on 26.1).
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
