import * as docker from "@pulumi/docker";
import * as pulumi from "@pulumi/pulumi";
import type { DockerHost } from "./docker-host";
import { addressPlan, type AddressPlan } from "./addresses";
import { freeSubnetsScript } from "./preflight";

export interface NetworksArgs {
  host: DockerHost;
  /** First two octets of the subnets, for example "172.29". */
  prefix: string;
}

/**
 * The container networks on the VM. What may not be reached from outside listens on internal networks alone: Docker
 * drops, on every version of the engine and after every reboot, what comes to an internal network from elsewhere, also
 * from a neighbour that adds a route. Not publishing a port does not give that (docs/decisions/0004).
 */
export class Networks extends pulumi.ComponentResource {
  readonly addresses: AddressPlan;
  /** Names of the networks, for scripts on the VM. */
  readonly names: Record<"front" | "admin" | "egress" | "edge", string>;
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
    this.addresses = addressPlan(args.prefix);
    this.names = { front: `${name}-front`, admin: `${name}-admin`, egress: `${name}-egress`, edge: `${name}-edge` };
    const { front, admin } = this.addresses;
    const free = args.host.script(
      `${name}-subnets`,
      {
        script: freeSubnetsScript({
          networks: [
            { name: this.names.front, subnet: front.subnet },
            { name: this.names.admin, subnet: admin.subnet },
          ],
          setting: "audit:networkPrefix",
        }),
      },
      { parent: this },
    );
    const network = (role: keyof typeof this.names, internal: boolean, plan?: { subnet: string; gateway: string }) =>
      new docker.Network(
        `${name}-${role}`,
        {
          name: this.names[role],
          driver: "bridge",
          internal,
          // The gateway is named although it would be this one anyway: Docker reports it only after its next start, and a refresh
          // would then replace the network, and every container on it (seen on 26.1).
          ...(plan === undefined ? {} : { ipamConfigs: [{ subnet: plan.subnet, gateway: plan.gateway }] }),
        },
        // A fixed name or subnet collides with itself when the new network is made before the old one is gone.
        { parent: this, ...args.host.named(this.names[role], "there"), dependsOn: [free] },
      );
    this.front = network("front", true, front);
    this.admin = network("admin", true, admin);
    this.egress = network("egress", false);
    this.edge = network("edge", false);
    this.registerOutputs({});
  }
}
