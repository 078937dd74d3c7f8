#!/bin/sh
# Prints the seconds that a Vault Agent's token lives on, and which issue of the secret_id it came from; nothing when Vault does not take
# it. Runs in the agent's container, and asks by the agent's own listener. The answer holds the token itself, so only what is asked for is
# let through.
#
# Environment: AUDIT_VAULT_NAMESPACE, the token's own, or nothing: the agent hands requests on with their headers alone.
# Exit codes: 0
set -u

set --
if [ -n "${AUDIT_VAULT_NAMESPACE:-}" ]; then set -- --header "X-Vault-Namespace: $AUDIT_VAULT_NAMESPACE"; fi
wget -q -T 3 -O - --header "X-Vault-Request: true" "$@" http://127.0.0.1:8100/v1/auth/token/lookup-self 2> /dev/null |
  sed -n 's/.*"meta":{[^}]*"issue":"\([^"]*\)".*"ttl":\([0-9]*\).*/\2 \1/p'
