#!/bin/sh
# Runs on the VM before a container is replaced: fails if its successor could not publish its ports. Ports that the
# container publishes already are not checked.
#
# Arguments: CONTAINER, then for each port PORT SETTING TRIAL: the setting that chooses it, and a shell line that
#   publishes it briefly.
# Exit codes: 0 all ports can be published; 1 one cannot, with the reason and the cure on standard error.
set -eu

container=$1
shift
own=$(docker container inspect --format '{{if .State.Running}}{{range .HostConfig.PortBindings}}{{range .}}{{.HostPort}} {{end}}{{end}}{{end}}' "$container" 2> /dev/null || :)

# The last part of Docker's message $1, such as "address already in use".
reason() {
  last=$(printf '%s\n' "$1" | sed -n 's/\.$//; s/^.*Error response from daemon: \(.*: \)\{0,1\}//p')
  printf '%s\n' "${last:-$1}"
}

while [ $# -gt 0 ]; do
  port=$1 setting=$2 trial=$3
  shift 3
  case " $own " in *" $port "*) continue ;; esac
  output=$(sh -c "$trial" 2>&1) || {
    echo "$container cannot listen on port $port of this host: $(reason "$output"). Free it, or choose another by $setting. $container is as it was." >&2
    exit 1
  }
done
