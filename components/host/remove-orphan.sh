#!/bin/sh
# Removes an orphan: the container or network, on a Docker host, that has the name of one that is about to be created
# (docs/decisions/0064).
#
# Arguments: KIND NAME, the kind being `container` or `network`.
# Exit codes: 0 nothing has the name any more; otherwise Docker's, for example because containers still use the network.
set -eu

kind=$1
name=$2
problem=$(docker "$kind" inspect "$name" 2>&1 > /dev/null) || case "$problem" in
  *"No such"* | *"not found"*) exit 0 ;;
  *)
    echo "$problem" >&2
    exit 1
    ;;
esac
echo "removing $kind $name, left behind by a deploy that did not complete" >&2
case "$kind" in
  # Also removes anonymous volumes, as the provider would.
  container) docker container rm --force --volumes "$name" ;;
  *) docker "$kind" rm "$name" ;;
esac > /dev/null
