#!/bin/sh
# Waits until the cluster's balancer has given a Service its address.
#
# Arguments: SERVICE SECONDS COMMAND...: the last being kubectl with its context and namespace.
# Environment: what messages call them: SETTING, the choice between a balancer and ports of nodes; DEADLINE, these seconds.
# Exit codes: 0 it has one; 1 it had none in time, with what the cluster says about it on standard error.
set -eu

service=$1
seconds=$2
shift 2

end=$(($(date +%s) + seconds))
until [ -n "$("$@" get service "$service" --output 'jsonpath={.status.loadBalancer.ingress[*].ip}{.status.loadBalancer.ingress[*].hostname}')" ]; do
  if [ "$(date +%s)" -ge "$end" ]; then
    "$@" get events --field-selector "involvedObject.kind=Service,involvedObject.name=$service" \
      --output 'go-template={{range .items}}{{.reason}}: {{.message}}{{"\n"}}{{end}}' | tail -n 5 >&2 || :
    echo "the cluster's balancer has given $service no address within $seconds s. Is there one in this cluster? Without one, set $SETTING to nodePort; if it takes longer, raise $DEADLINE." >&2
    exit 1
  fi
  sleep 2
done
