#!/bin/sh
# Written by the program. Docker runs it every few seconds; the log of its output is in `docker inspect`, so it says nothing secret.
set -u
umask 022
now=$(date +%s)
look=$(sh /agent/look.sh)
logged_in=0
if [ -n "$look" ]; then
  logged_in=1
  echo "$now $(( now + ${look%% *} ))" > /tmp/last-look
fi
success=0
expiry=0
if [ -f /tmp/last-look ]; then read -r success expiry < /tmp/last-look; fi

confirmed=1
if grep -qs ^failed /tmp/last-reload; then confirmed=0; fi

cat > /run/audit-svc/agent.prom.new << END
# HELP audit_agent_logged_in Whether Vault took the agent's token at the last look
# TYPE audit_agent_logged_in gauge
audit_agent_logged_in $logged_in
# HELP audit_agent_last_success_timestamp_seconds When Vault last took the agent's token; 0 = not yet
# TYPE audit_agent_last_success_timestamp_seconds gauge
audit_agent_last_success_timestamp_seconds $success
# HELP audit_agent_token_expiry_timestamp_seconds End of the agent's token, unless it is renewed; 0 = none yet
# TYPE audit_agent_token_expiry_timestamp_seconds gauge
audit_agent_token_expiry_timestamp_seconds $expiry
# HELP audit_agent_secret_id_expiry_timestamp_seconds End of the secret_id, which the agent needs to log in again
# TYPE audit_agent_secret_id_expiry_timestamp_seconds gauge
audit_agent_secret_id_expiry_timestamp_seconds $(cat /credentials/expiry 2> /dev/null || echo 0)
# HELP audit_agent_reload_confirmed Whether every serving replica has confirmed the last change
# TYPE audit_agent_reload_confirmed gauge
audit_agent_reload_confirmed $confirmed
END
mv /run/audit-svc/agent.prom.new /run/audit-svc/agent.prom

# Vault Agent runs a command that failed again at the next change only.
if [ "$confirmed" = 0 ] && ! sh /agent/reload.sh; then exit 1; fi
if [ "$logged_in" = 0 ]; then echo "Vault does not answer, or does not take the agent's token"; exit 1; fi
if [ ! -s /run/audit/config.json ]; then echo "/run/audit/config.json is not rendered"; exit 1; fi
