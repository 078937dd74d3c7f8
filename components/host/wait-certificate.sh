#!/bin/sh
# Waits, on the VM, until an agent has its first certificate: without one nginx would start but complete no handshake.
#
# Arguments: AGENT FILE KIND [ROLE]: the agent's container, the file in it, whether the certificate is for a `name` or
#   an `address`, and for an address how messages name the setting for the PKI's role.
# Exit codes: 0 it is there; 1 it is not after a minute, with the agent's last log lines on standard error.
set -eu

hint=
if [ "$3" = address ]; then
  hint="; for an address the role of $4 needs allow_ip_sans=true and require_cn=false"
fi
end=$(($(date +%s) + 60))
until docker exec "$1" test -s "$2" 2> /dev/null; do
  if [ "$(date +%s)" -ge "$end" ]; then
    docker logs --tail 20 "$1" >&2 || :
    echo "Vault has issued no certificate within 60 s; the last lines of $1 are above$hint" >&2
    exit 1
  fi
  sleep 0.5
done
