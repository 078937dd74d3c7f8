import { readFileSync } from "node:fs";
import { join } from "node:path";
import { commandLine, dockerRun, quote } from "./shell";

/**
 * What Docker would refuse is asked for before anything gives way to it: a container or network with a fixed name is removed before its
 * successor is made, and what then cannot be made leaves nothing that serves. Docker itself is asked, by having it make the like for a
 * moment: what else a host uses is for root to see, and how Docker judges it is Docker's to know.
 */

/** Shell function: the last part of Docker's message in `$said`, such as "address already in use". */
const REASON = `reason() { printf '%s\\n' "$said" | sed -n 's/\\.$//; s/^.*Error response from daemon: \\(.*: \\)\\{0,1\\}//p'; }`;

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

/** Shell text that fails, and says why, when a container could not publish its ports. */
export function freePortsScript({ container, image, network, ports }: FreePorts): string {
  const own = "{{if .State.Running}}{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}{{end}}";
  return [
    `own=" $(docker container inspect --format ${quote(own)} ${quote(container)} 2> /dev/null || :) "`,
    REASON,
    ...ports.map(({ port, setting }) => {
      const attempt = dockerRun({ image, network, publish: [`${port}:1`], entrypoint: "sh", command: ["-c", ":"] });
      const complaint =
        `"${container} cannot listen on port ${port} of this host: $(reason). ` +
        `Free it, or choose another by ${setting}. ${container} is as it was."`;
      return `case "$own" in *" ${port} "*) ;; *) said=$(${attempt} 2>&1) || { echo ${complaint} >&2; exit 1; } ;; esac`;
    }),
  ].join("\n");
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
 * Shell text that fails, and says why, when networks could not be made, or when their addresses or MTU would keep containers from what
 * they must reach.
 */
export function freeNetworksScript({ networks, peers, settings }: FreeNetworks): string {
  const words = networks.flatMap(({ name, subnet, mtu, internal }) => [
    ...[name, subnet ?? "-", mtu === undefined ? "-" : String(mtu), internal ? "internal" : "external"],
  ]);
  return [
    `RANGE_SETTING=${quote(settings.range)}`,
    `MTU_SETTING=${quote(settings.mtu)}`,
    `PEERS=${quote(peers.map(({ host, setting }) => `${host} ${setting}`).join("\n"))}`,
    `set -- ${commandLine(words)}`,
    readFileSync(join(__dirname, "free-networks.sh"), "utf8"),
  ].join("\n");
}

/**
 * Shell text that fails, and says what to do, when the host's Docker Engine does not trust the certificate of an image's registry. The
 * engine has its own authorities, and what the plugin says of it names no place for them. Any other failure is the plugin's to tell:
 * it has the login.
 */
export function trustedRegistryScript(reference: string): string {
  const registry = reference.slice(0, reference.indexOf("/"));
  const complaint =
    `"The Docker Engine of this host does not trust the certificate of ${registry}: $said ` +
    `Put the authority that signed it, in PEM format, into /etc/docker/certs.d/${registry}/ca.crt there, and deploy again."`;
  return [
    `docker image inspect ${quote(reference)} > /dev/null 2>&1 && exit 0`,
    `said=$(docker pull --quiet ${quote(reference)} 2>&1) && exit 0`,
    `case $said in *x509:*) echo ${complaint} >&2; exit 1 ;; esac`,
  ].join("\n");
}
