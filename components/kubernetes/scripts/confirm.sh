#!/bin/sh
# Has the service confirm, in every pod that runs, that it works with the secret as this deploy wrote it. A pod that is made meanwhile starts
# with it.
#
# Arguments: WORKLOAD AGENT DIGEST LEFT_OUT COMMAND...: the pods' name label, the agent's container in them, what confirm-pod.sh is to be
#   told, and kubectl with its context and namespace.
# Exit codes: 0 all of them have confirmed; 1 one has not, with its name on standard error.
set -eu

workload=$1
agent=$2
digest=$3
left_out=$4
shift 4

# Pods that end serve no new requests; they have read it as well, or are gone before their login is locked.
pods=$("$@" get pods --selector "app.kubernetes.io/name=$workload" --field-selector status.phase=Running \
  --output 'go-template={{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}}{{"\n"}}{{end}}{{end}}')
missing=
for pod in $pods; do
  message=$("$@" exec "$pod" --container "$agent" -- sh /agent/confirm-pod.sh "$digest" "$left_out" 2>&1) && continue
  # One that has gone in the meantime need not confirm anything.
  if ! "$@" get pod "$pod" > /dev/null 2>&1; then continue; fi
  missing="$missing $pod"
  echo "--- $pod: $message" >&2
  "$@" logs "$pod" --container "$agent" --tail 10 >&2 || :
done
if [ -n "$missing" ]; then
  echo "not confirmed by:$missing. Nothing was locked, and the former login still works." >&2
  exit 1
fi
