#!/bin/sh
# Runs the one-shot that migrates the database, on the VM, with a time limit. If a killed deploy left one running under
# the same name, that is stopped first.
#
# Arguments: CONTAINER SECONDS COMMAND..., where COMMAND runs the container under that name.
# Standard input: passed on to the command.
# Exit codes: those of the command; 124 if it did not end in time, 137 if it took no notice of that.
set -eu

container=$1
seconds=$2
shift 2

docker rm --force "$container" > /dev/null 2>&1 || :
code=0
end=$(($(date +%s) + seconds))
# A container whose program takes no notice of SIGTERM is removed after ten seconds more. timeout then ends with 137, as does
# a container that ran out of memory, whatever the time.
timeout -k 10 "$seconds" "$@" || code=$?
if [ "$code" = 124 ] || { [ "$code" = 137 ] && [ "$(date +%s)" -ge "$end" ]; }; then
  docker rm --force "$container" > /dev/null 2>&1 || :
  echo "the migration did not end within $seconds s and was stopped" >&2
fi
exit "$code"
