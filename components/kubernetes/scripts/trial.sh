#!/bin/sh
# Runs in a pod of the trial whether network policies are enforced: asks the cluster's API for an answer, of whatever kind, for as long as
# it takes policies to come into force. One try that fails says nothing: a new pod's network may not be there yet, and an answer may be lost.
#
# Arguments: KIND: `open` for the pod that is let out, `closed` for the one that is not.
# Environment: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT, which every pod has.
# Exit codes: 0 as it should be; 1 the open pod got no answer, or the closed one never went five tries in a row without one.
set -u

case "$KUBERNETES_SERVICE_HOST" in
  *:*) host="[$KUBERNETES_SERVICE_HOST]" ;;
  *) host=$KUBERNETES_SERVICE_HOST ;;
esac

# Plain HTTP to a port with TLS: a server says that it is a bad request.
answers() {
  wget -T 2 -O /dev/null "http://$host:$KUBERNETES_SERVICE_PORT/" 2>&1 | grep -q 400
}

tries=0
silent=0
while [ "$tries" -lt 15 ]; do
  tries=$((tries + 1))
  if answers; then
    if [ "$1" = open ]; then exit 0; fi
    silent=0
  else
    silent=$((silent + 1))
    if [ "$1" = closed ] && [ "$silent" -ge 5 ]; then exit 0; fi
  fi
  sleep 1
done
exit 1
