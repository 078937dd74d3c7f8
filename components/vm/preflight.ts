import { scriptLine } from "../host/script-file";
import { dockerRun } from "../../lib/shell";

/**
 * What Docker would refuse is asked for before anything gives way to it: a container or network with a fixed name is removed before its
 * successor is made, and what then cannot be made leaves nothing that serves. Docker itself is asked, by having it make the like for a
 * moment: what else a host uses is for root to see, and how Docker judges it is Docker's to know.
 */

export interface FreePorts {
  /** Container that is to publish the ports. Those that it publishes already are its own, and not looked at. */
  container: string;
  /** Image on the host with `sh`. */
  image: string;
  /** Docker network by which they are published. */
  network: string;
  /** Each port with the setting that chooses it. */
  ports: readonly { port: number; setting: string }[];
}

/** Shell line that fails, and says why, when a container could not publish its ports. */
export function freePortsScript({ container, image, network, ports }: FreePorts): string {
  const trial = (port: number) =>
    dockerRun({ image, network, publish: [`${port}:1`], entrypoint: "sh", command: ["-c", ":"] });
  return scriptLine("free-ports.sh", [
    container,
    ...ports.flatMap(({ port, setting }) => [port, setting, trial(port)]),
  ]);
}

/** What a network is to be like. */
export interface WantedNetwork {
  name: string;
  /** Default: Docker chooses one. */
  subnet?: string;
  /** Bytes; default Docker's, or what the network has. */
  mtu?: number;
  /** Nothing on it reaches anything beyond the host. */
  internal: boolean;
}

/** What containers must reach, with the setting that names it. */
export interface Peer {
  /** Host name or IPv4 address. */
  host: string;
  setting: string;
}

export interface FreeNetworks {
  /** One that is there as it is wanted is not looked at. */
  networks: readonly WantedNetwork[];
  peers: readonly Peer[];
  /** The settings that choose subnets and MTU. */
  settings: { range: string; mtu: string };
}

/**
 * Shell line that fails, and says why, when networks could not be made, or when their addresses or MTU would keep containers from what
 * they must reach.
 */
export function freeNetworksScript({ networks, peers, settings }: FreeNetworks): string {
  const words = networks.flatMap(({ name, subnet, mtu, internal }) => [
    ...[name, subnet ?? "-", mtu === undefined ? "-" : String(mtu), internal ? "internal" : "external"],
  ]);
  return scriptLine("free-networks.sh", words, {
    RANGE_SETTING: settings.range,
    MTU_SETTING: settings.mtu,
    PEERS: peers.map(({ host, setting }) => `${host} ${setting}`).join("\n"),
  });
}

/** Shell line that fails, and says what to do, when the host's Docker Engine does not trust the certificate of an image's registry. */
export function trustedRegistryScript(reference: string): string {
  return scriptLine("trusted-registry.sh", [reference]);
}
