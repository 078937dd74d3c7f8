#!/bin/sh
# Beside Nginx in each of its pods: keeps the list of what Prometheus scrapes, which Nginx's metrics listener serves. Pods come and go
# between deploys; the cluster's DNS knows them, so this needs no right in the cluster.
#
# Environment: AUDIT_TARGETS_FILE; AUDIT_ADDRESS, host:port of the metrics listener as Prometheus reaches it; AUDIT_ENVIRONMENT;
#   AUDIT_SERVICE_PODS and AUDIT_EDGE_PODS, names that DNS resolves to the addresses of the service's and of Nginx's pods;
#   AUDIT_EDGE_AGENTS, not empty if Nginx's pods have a Vault Agent, as the service's always have; AUDIT_SERVICE_PORT; AUDIT_OTHERS, words,
#   names of what else is served at /metrics/NAME; AUDIT_SECONDS, between two looks; AUDIT_ONCE, set in tests; TMPDIR, default /tmp.
# Exit codes: none, it goes on until it is ended.
set -u

known=${TMPDIR:-/tmp}/releases
mkdir -p "$known"
trap 'exit 0' TERM

# The IPv4 addresses of the name $1. nslookup first says which server it asked.
addresses() {
  { getent ahostsv4 "$1" || nslookup "$1" 2> /dev/null | sed '1,/^$/d'; } | grep -oE '[0-9]+(\.[0-9]+){3}' | sort -u
}

# The release that the pod at $1 runs, asked once: an address is another pod's only after it has been nobody's. A pod that somebody has taken
# over may answer anything, without end.
release() {
  if [ ! -s "$known/$1" ]; then
    timeout 5 wget -q -T 2 -O - "http://$1:$AUDIT_SERVICE_PORT/metrics" 2> /dev/null | head -c 1000000 |
      sed -n 's/^audit_build_info{.*release="\([A-Za-z0-9._-]*\)".*/\1/p' | head -n 1 | cut -c 1-100 > "$known/$1"
  fi
  cat "$known/$1"
}

# One target: its path $1, the end of its instance's name $2, its job $3, further labels $4.
target() {
  printf '%s{"targets":["%s"],"labels":{"__metrics_path__":"%s","application":"audit-svc","environment":"%s","instance":"%s","job":"%s"%s}}' \
    "$separator" "$AUDIT_ADDRESS" "$1" "$AUDIT_ENVIRONMENT" "$AUDIT_ADDRESS$2" "$3" "$4"
  separator=,
}

list() {
  separator=
  printf '['
  for pod in $1; do
    name=$(release "$pod")
    target "/metrics/service/$pod" "/$pod" audit-svc ",\"release\":\"${name:-unknown}\",\"replica\":\"$pod\""
  done
  for pod in $2; do target "/metrics/nginx/$pod" "/nginx/$pod" nginx ",\"replica\":\"nginx-$pod\""; done
  for pod in $1; do target "/metrics/agent/$pod" "/agent/$pod" audit-agent ",\"replica\":\"$pod\""; done
  if [ -n "$AUDIT_EDGE_AGENTS" ]; then
    for pod in $2; do target "/metrics/agent/$pod" "/agent/$pod" audit-agent ",\"replica\":\"nginx-$pod\""; done
  fi
  for other in $AUDIT_OTHERS; do target "/metrics/$other" "/$other" "audit-$other" ""; done
  printf ']\n'
}

# Forgets the addresses that are nobody's any more: all but $1.
forget() {
  for file in "$known"/*; do
    case " $1 " in *" ${file##*/} "*) ;; *) rm -f "$file" ;; esac
  done
}

while :; do
  service=$(addresses "$AUDIT_SERVICE_PODS" | tr '\n' ' ')
  edge=$(addresses "$AUDIT_EDGE_PODS" | tr '\n' ' ')
  # A name without any address is an answer that was lost: this pod itself is among the edge's, and Prometheus must not forget the service's.
  # If the service has no pod any more, the scrapes of those it had fail, and that is an alert.
  if [ -n "$edge" ]; then forget "$service"; fi
  if [ -n "$edge" ] && [ -n "$service" ]; then
    list "$service" "$edge" > "$AUDIT_TARGETS_FILE.new"
    mv "$AUDIT_TARGETS_FILE.new" "$AUDIT_TARGETS_FILE"
  fi
  if [ -n "${AUDIT_ONCE:-}" ]; then exit 0; fi
  # In the background, so that a signal ends this at once.
  sleep "$AUDIT_SECONDS" &
  wait $!
done
