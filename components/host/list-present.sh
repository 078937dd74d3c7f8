#!/bin/sh
# Lists the containers and networks of a Docker host (docs/decisions/0065): one line each, "there NAME" for what exists
# and "running NAME" for what runs. A container that is dead or being removed cannot be started again, so it does not
# count as there; one that is paused or between two restarts does not count as running. The last line is ".", so that
# truncated output is not mistaken for missing resources.
#
# Arguments: none
# Exit codes: 0 the list is complete.
set -eu

docker container ls --all --filter status=created --filter status=running --filter status=paused --filter status=restarting \
  --filter status=exited --format 'there {{.Names}}'
docker container ls --filter status=running --format 'running {{.Names}}'
docker network ls --format 'there {{.Name}}'
echo .
