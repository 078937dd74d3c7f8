#!/bin/sh
# Waits, on the VM, until an agent has rendered the wanted file. The agent may restart meanwhile.
#
# Arguments: CONTAINER FILE DIGEST SECONDS [LEFT_OUT]: DIGEST is the sha256 of the file in hex, without the lines that match the extended
#   regular expression LEFT_OUT.
# Exit codes: 0 it is the wanted file; 1 it is not in time, with the agent's last log lines on standard error.
set -u

container=$1
file=$2
digest=$3
seconds=$4
left_out=${5:-}

# Computed inside the container, so that the file's content does not leave it.
sum() {
  if [ -z "$left_out" ]; then
    docker exec "$container" sha256sum "$file"
  else
    # shellcheck disable=SC2016 # for the shell in the container
    docker exec "$container" sh -c 'grep -v -E "$1" "$2" | sha256sum' sh "$left_out" "$file"
  fi
}

end=$(($(date +%s) + seconds))
until [ "$(sum 2> /dev/null | cut -d ' ' -f 1)" = "$digest" ]; do
  if [ "$(date +%s)" -ge "$end" ]; then
    echo "the agent has not rendered the secret of this deploy within $seconds s; its last lines:" >&2
    docker logs --tail 20 "$container" >&2
    exit 1
  fi
  sleep 0.2
done
