#!/bin/sh
# Reloads nginx on the VM if it runs. If it does not, it reads its configuration when it starts. One that is being
# replaced may disappear between the check and the command.
#
# Arguments: CONTAINER COMMAND..., where COMMAND reloads nginx inside the container, close-and-reload.sh.
# Exit codes: 0 it has reloaded or does not run; 1 it runs and the reload failed.
set -eu

container=$1
shift

# Docker that does not answer is no container that does not run: the reload would never be tried again.
running() {
  state=$(docker container inspect --format '{{.State.Status}}' "$container" 2>&1) || case "$state" in
    *"No such"*) return 1 ;;
    *)
      echo "$state" >&2
      exit 1
      ;;
  esac
  [ "$state" = running ]
}

running || exit 0
# Not `docker kill --signal HUP`: the engine treats any kill as a manual stop and would not start nginx again after a
# reboot.
docker exec "$container" "$@" || ! running
