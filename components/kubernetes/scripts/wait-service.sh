#!/bin/sh
# Before Nginx starts in a new pod: waits until the pod reaches the service, whose pods are on other nodes too. A network learns the address
# of a new pod on each node for itself, and until then the policies there refuse what comes from it.
#
# Arguments: URL SECONDS: something that each of the service's pods answers, and how long to wait at the most.
# Exit codes: always 0. Without the service Nginx answers 503, which is better than no answer.
set -u

# As many in a row, because the cluster hands each request to any of the pods. Among very many it may miss one; then Nginx's own tries at
# another pod are enough.
wanted=20
row=0
end=$(($(date +%s) + $2))
while [ "$row" -lt "$wanted" ] && [ "$(date +%s)" -lt "$end" ]; do
  if timeout 2 wget -q -T 1 -O /dev/null "$1" 2> /dev/null; then
    row=$((row + 1))
  else
    row=0
    sleep 0.2
  fi
done
