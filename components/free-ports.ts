import { dockerRun, quote } from "./shell";

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

/**
 * Shell text that fails, and says why, when a container could not publish its ports. A container whose ports change is removed before
 * its successor is made, so this has to be known before. Docker itself is asked, by a container that publishes each for a moment: what
 * else listens on a host is for root to see, and by which addresses Docker would listen is Docker's to know.
 */
export function freePortsScript({ container, image, network, ports }: FreePorts): string {
  const own = "{{if .State.Running}}{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}{{end}}";
  return [
    `own=" $(docker container inspect --format ${quote(own)} ${quote(container)} 2> /dev/null || :) "`,
    // Of "docker: Error response from daemon: driver failed …: listen tcp4 0.0.0.0:80: bind: address already in use." the end.
    `reason() { printf '%s\\n' "$said" | sed -n 's/\\.$//; s/^docker: .*: //p'; }`,
    ...ports.map(({ port, setting }) => {
      const attempt = dockerRun({ image, network, publish: [`${port}:1`], entrypoint: "sh", command: ["-c", ":"] });
      const complaint =
        `"${container} cannot listen on port ${port} of this host: $(reason). ` +
        `Free it, or choose another by ${setting}. ${container} is as it was."`;
      return `case "$own" in *" ${port} "*) ;; *) said=$(${attempt} 2>&1) || { echo ${complaint} >&2; exit 1; } ;; esac`;
    }),
  ].join("\n");
}
