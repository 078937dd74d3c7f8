#!/bin/sh
# Waits, on the VM, until an agent has logged in with the secret_id in its volume, and prints which issue that is. An
# agent reads its credentials only when it logs in, so one that still uses the former secret_id is restarted; its
# rendered file stays meanwhile.
#
# Arguments: CONTAINER SECONDS
# Exit codes: 0 it has logged in; 1 it has not in time, with its last log lines on standard error.
set -u

container=$1
seconds=$2
begin=$(date +%s)
restarted=

# In the container: the issue in its volume, then the output of look.sh: the token's remaining seconds and the issue it
# came from.
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
    # A wrong secret_id gives a different message; "permission denied" means a lockout or a source address that is not
    # allowed.
    case "$log" in
      *"permission denied"*)
        echo "Vault denies the log-in. Either the role is locked out for 15 minutes, which happens after five refused log-ins if bootstrap/vault.ts was not run (docs/runbook.md), or log-ins are bound to other addresses." >&2
        ;;
    esac
    exit 1
  fi
  # Either it is still logged in with the former secret_id, or it backs off between its attempts.
  if [ -z "$restarted" ] && { [ "$#" = 3 ] || [ "$waited" -ge 10 ]; }; then
    restarted=yes
    docker restart --time 10 "$container" > /dev/null
  fi
  sleep 0.1
done
