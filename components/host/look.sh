#!/bin/sh
# Prints the remaining seconds of a Vault Agent's token, and which issue of the secret_id it came from; nothing if Vault
# does not accept it. Runs in the agent's container and asks through the agent's own listener. Vault's answer contains
# the token itself, so only these two values are printed.
#
# Environment: AUDIT_VAULT_NAMESPACE, the token's own, or nothing: the agent adds none to the requests that it forwards.
# Exit codes: 0
set -u

set --
if [ -n "${AUDIT_VAULT_NAMESPACE:-}" ]; then set -- --header "X-Vault-Namespace: $AUDIT_VAULT_NAMESPACE"; fi
wget -q -T 3 -O - --header "X-Vault-Request: true" "$@" http://127.0.0.1:8100/v1/auth/token/lookup-self 2> /dev/null |
  sed -n 's/.*"meta":{[^}]*"issue":"\([^"]*\)".*"ttl":\([0-9]*\).*/\2 \1/p'
