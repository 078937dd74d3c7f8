#!/bin/sh
# Waits, on the VM, until an agent is logged in by the secret_id that lies in its volume, and prints which issue of it that is. An agent
# reads its credentials when it logs in only, so one that goes on with the former is started again; the file that it has rendered stays
# meanwhile.
#
# Arguments: CONTAINER SECONDS
# Exit codes: 0 it is logged in; 1 it was not in time, with its last lines on standard error.
set -u

container=$1
seconds=$2
begin=$(date +%s)
restarted=

# In the container: the issue in its volume, then what look.sh says, the seconds that the token lives on and the issue it came from.
# shellcheck disable=SC2016 # for the shell in the container
look() {
  docker exec "$container" sh -c 'echo "$(cat /credentials/issue) $(sh /agent/look.sh)"' 2> /dev/null
}

while :; do
  # shellcheck disable=SC2046 # three words, or fewer
  set -- $(look)
  if [ "$#" = 3 ] && [ "$1" = "$3" ]; then
    echo "$1"
    exit 0
  fi
  waited=$(($(date +%s) - begin))
  if [ "$waited" -ge "$seconds" ]; then
    log=$(docker logs --tail 20 "$container" 2>&1)
    echo "$log" >&2
    echo "$container has not logged in to Vault with its new secret_id within $seconds s; its last lines are above. What it rendered before is still there, and the former secret_id still works." >&2
    # A secret_id that is wrong is another message; only who is shut out, or calls from elsewhere, is denied the log-in itself.
    case "$log" in
      *"permission denied"*)
        echo "Vault denies it the log-in: the role is shut out for 15 minutes, as it is after five refusals where bootstrap/vault.ts was not run (docs/runbook.md), or log-ins are bound to other addresses." >&2
        ;;
    esac
    exit 1
  fi
  # Either it is logged in by the former, or it waits longer and longer between its attempts.
  if [ -z "$restarted" ] && { [ "$#" = 3 ] || [ "$waited" -ge 10 ]; }; then
    restarted=yes
    docker restart --time 10 "$container" > /dev/null
  fi
  sleep 0.1
done
