import { dockerRun, quote } from "./shell";

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

export interface FreeSubnets {
  /** Networks that are to have these subnets. One that has its own already is not looked at. */
  networks: readonly { name: string; subnet: string }[];
  /** The setting that chooses them. */
  setting: string;
}

/** Shell text that fails, and says why, when networks could not have their subnets. */
export function freeSubnetsScript({ networks, setting }: FreeSubnets): string {
  const subnets = "{{range .IPAM.Config}} {{.Subnet}}{{end}}";
  return [
    REASON,
    `there() { docker network ls --quiet | xargs docker network inspect --format ${quote(`{{.Name}}${subnets}`)} | grep / | paste -s -d , -; }`,
    ...networks.map(({ name, subnet }) => {
      const trial = quote(`${name}-trial`);
      const complaint =
        `"network ${name} cannot have ${subnet} on this host: $(reason). ` +
        `Networks there: $(there). Choose another range by ${setting}. Nothing was changed."`;
      return [
        `own="$(docker network inspect --format ${quote(subnets)} ${quote(name)} 2> /dev/null || :) "`,
        `case "$own" in *" ${subnet} "*) ;; *)`,
        `  docker network rm ${trial} > /dev/null 2>&1 || :`,
        `  said=$(docker network create --internal --subnet ${subnet} ${trial} 2>&1) || { echo ${complaint} >&2; exit 1; }`,
        `  docker network rm ${trial} > /dev/null ;;`,
        "esac",
      ].join("\n");
    }),
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
