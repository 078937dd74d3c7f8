#!/bin/sh
# Has the service confirm, in every pod that runs, that it works with the secret as this deploy wrote it. A pod that is made meanwhile starts
# with it.
#
# Arguments: WORKLOAD AGENT DIGEST LEFT_OUT COMMAND...: the pods' name label, the agent's container in them, what confirm-pod.sh is to be
#   told, and kubectl with its context and namespace.
# Exit codes: 0 all of them have confirmed; 1 one has not, or none runs, with the reason on standard error.
set -eu

workload=$1
agent=$2
digest=$3
left_out=$4
shift 4

# The pods that run and for which the template's condition $1 holds, a line each; the rest is kubectl.
running() {
  condition=$1
  shift
  "$@" get pods --selector "app.kubernetes.io/name=$workload" --field-selector status.phase=Running \
    --output "go-template={{range .items}}{{if $condition}}{{.metadata.name}}{{\"\\n\"}}{{end}}{{end}}"
}

# Pods that end still answer what comes on open connections, and may have a login that goes once this is done. One on a
# node that is lost never ends.
end=$(($(date +%s) + 60))
while :; do
  ending=$(running .metadata.deletionTimestamp "$@")
  if [ -z "$ending" ] || [ "$(date +%s)" -ge "$end" ]; then break; fi
  sleep 1
done

pods=$(running "not .metadata.deletionTimestamp" "$@")
if [ -z "$pods" ]; then
  echo "no pod of $workload runs, so none has confirmed. What somebody has removed or scaled by hand comes back with \`pulumi up --refresh\`. Nothing was locked, and the former login still works." >&2
  exit 1
fi
missing=
for pod in $pods; do
  message=$("$@" exec "$pod" --container "$agent" -- sh /agent/confirm-pod.sh "$digest" "$left_out" 2>&1) && continue
  # One that has gone in the meantime need not confirm anything; a cluster that does not answer says nothing of it.
  if there=$("$@" get pod "$pod" --ignore-not-found --output name 2>&1) && [ -z "$there" ]; then continue; fi
  missing="$missing $pod"
  echo "--- $pod: $message" >&2
  "$@" logs "$pod" --container "$agent" --tail 10 >&2 || :
done
if [ -n "$missing" ]; then
  echo "not confirmed by:$missing. Nothing was locked, and the former login still works." >&2
  exit 1
fi
