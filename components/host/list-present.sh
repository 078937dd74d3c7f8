#!/bin/sh
# Lists what there is on a Docker host (docs/decisions/0065): one line each, "there NAME" for what is there and "running NAME" for what
# runs. A container that is dead or being removed cannot be started again, so it is not there; one that is paused, or between two
# restarts, does not run. Ends with the line ".": what came in only in part must not pass for a host that has lost the rest.
#
# Arguments: none
# Exit codes: 0 the list is whole.
set -eu

docker container ls --all --filter status=created --filter status=running --filter status=paused --filter status=restarting \
  --filter status=exited --format 'there {{.Names}}'
docker container ls --filter status=running --format 'running {{.Names}}'
docker network ls --format 'there {{.Name}}'
echo .
