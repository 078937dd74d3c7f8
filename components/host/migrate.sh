#!/bin/sh
# Runs the one-shot that migrates the database, on the VM, with a time limit. If a killed deploy left one running under
# the same name, that is stopped first.
#
# Arguments: CONTAINER SECONDS COMMAND..., where COMMAND runs the container under that name.
# Standard input: passed on to the command.
# Exit codes: those of the command; 124 if it did not end in time.
set -eu

container=$1
seconds=$2
shift 2

docker rm --force "$container" > /dev/null 2>&1 || :
code=0
# A container whose program takes no notice of SIGTERM is removed after ten seconds more.
timeout -k 10 "$seconds" "$@" || code=$?
if [ "$code" = 124 ] || [ "$code" = 137 ]; then
  docker rm --force "$container" > /dev/null 2>&1 || :
  echo "the migration did not end within $seconds s and was stopped" >&2
fi
exit "$code"
