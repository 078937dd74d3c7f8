#!/bin/sh
# Has a running nginx take in its configuration, on the VM. One that does not run reads it when it starts; one that is being replaced may
# go between the look and the command.
#
# Arguments: CONTAINER COMMAND..., the command being what reloads nginx inside the container, close-and-reload.sh.
# Exit codes: 0 it has taken it in, or does not run; 1 it runs and has not.
set -eu

container=$1
shift

running() {
  [ "$(docker container inspect --format '{{.State.Status}}' "$container" 2> /dev/null)" = running ]
}

running || exit 0
# Not `docker kill --signal HUP`: the engine takes any kill for a stop by hand, and would leave nginx down after a reboot.
docker exec "$container" "$@" || ! running
