import * as pulumi from "@pulumi/pulumi";
import { DockerHost, type DockerHostArgs } from "./docker-host";
import { Networks, type NetworksArgs } from "./networks";

export interface VmArgs extends DockerHostArgs {
  /** The container networks: how their names begin, and where they lie. */
  networks: Omit<NetworksArgs, "host"> & { name: string };
}

/**
 * The machine that everything runs on: a Docker host, with the networks of its containers.
 *
 * @example
 * const vm = new Vm("vm", {
 *   address: "ssh://deploy@vm2.example.com",
 *   tools: "registry/vault@sha256:...",
 *   networks: { name: "audit", range: "172.29" },
 * });
 */
export class Vm extends DockerHost {
  readonly networks: Networks;

  constructor(
    name: string,
    { networks: { name: prefix, ...networks }, ...args }: VmArgs,
    opts?: pulumi.ComponentResourceOptions,
  ) {
    super(name, args, opts);
    this.networks = new Networks(
      prefix,
      { host: this, ...networks },
      // Earlier versions had them as siblings of the host.
      { parent: this, aliases: [{ parent: pulumi.rootStackResource }] },
    );
  }
}
