#!/bin/sh
# Runs the one-shot that migrates the database, on the VM, for so long at the most. What a killed deploy left running under its name is
# stopped first.
#
# Arguments: CONTAINER SECONDS COMMAND..., the command being the one that runs the container by that name.
# Standard input: handed on to the command.
# Exit codes: those of the command; 124 when it did not end in time.
set -eu

container=$1
seconds=$2
shift 2

docker rm --force "$container" > /dev/null 2>&1 || :
code=0
timeout "$seconds" "$@" || code=$?
if [ "$code" = 124 ]; then
  docker rm --force "$container" > /dev/null 2>&1 || :
  echo "the migration did not end within $seconds s and was stopped" >&2
fi
exit "$code"
