import { scriptLine } from "../host/script-file";
import { dockerRun } from "../../lib/shell";

/**
 * Reports port and subnet conflicts before anything is replaced. A container or network with a fixed name is removed
 * before its successor is created, so if that creation failed, nothing would serve. The check lets Docker create the
 * same for a moment: only root sees what else the host uses, and only Docker knows what it accepts.
 */

export interface FreePorts {
  /** Container that will publish the ports. Ports that it publishes already are not checked. */
  container: string;
  /** Image on the host with `sh`. */
  image: string;
  /** Docker network by which they are published. */
  network: string;
  /** Each port with the setting that chooses it. */
  ports: readonly { port: number; setting: string }[];
}

/** Shell line that fails with the reason if the container could not publish its ports. */
export function freePortsScript({ container, image, network, ports }: FreePorts): string {
  const trial = (port: number) =>
    dockerRun({ image, network, publish: [`${port}:1`], entrypoint: "sh", command: ["-c", ":"] });
  return scriptLine("free-ports.sh", [
    container,
    ...ports.flatMap(({ port, setting }) => [port, setting, trial(port)]),
  ]);
}

/** A network as it should be. */
export interface WantedNetwork {
  name: string;
  /** Default: Docker chooses one. */
  subnet?: string;
  /** Bytes; default: what the network has, or Docker's default for a new one. */
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
  /** Networks that already exist as wanted are not checked. */
  networks: readonly WantedNetwork[];
  peers: readonly Peer[];
  /** The settings that choose subnets and MTU. */
  settings: { range: string; mtu: string };
}

/**
 * Shell line that fails with the reason if networks could not be created, or if their addresses or MTU would keep
 * containers from reaching what they must.
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

/**
 * Shell line that fails with the cure if the host's Docker Engine does not trust the certificate of an image's
 * registry.
 */
export function trustedRegistryScript(reference: string): string {
  return scriptLine("trusted-registry.sh", [reference]);
}
