#!/bin/sh
# Docker's health check of a Vault Agent, in its container: an agent is healthy if Vault accepts its token, its file is
# rendered, and every replica has confirmed the last change. Each run also writes metrics for Prometheus. Docker runs it
# every few seconds and keeps its output in `docker inspect`, so it must print nothing secret.
#
# look.sh is in the same directory, and so is reload.sh if the agent's template has a command.
# Environment: AUDIT_RENDERED_FILE, which the agent renders; AUDIT_METRICS_FILE, for Prometheus; those of look.sh and reload.sh; TMPDIR,
#   default /tmp, and CREDENTIALS, default /credentials.
# Exit codes: 0 healthy; 1 not, with the reason on standard output.
set -u
umask 022

here=$(dirname "$0")
last_look=${TMPDIR:-/tmp}/last-look
last_reload=${TMPDIR:-/tmp}/last-reload

now=$(date +%s)
look=$(sh "$here/look.sh")
logged_in=0
if [ -n "$look" ]; then
  logged_in=1
  echo "$now $((now + ${look%% *}))" > "$last_look"
fi
success=0
expiry=0
if [ -f "$last_look" ]; then read -r success expiry < "$last_look"; fi
confirmed=1
if grep -qs ^failed "$last_reload"; then confirmed=0; fi

# The metric $1 with the help $2 and the value $3.
gauge() {
  printf '# HELP audit_agent_%s %s\n# TYPE audit_agent_%s gauge\naudit_agent_%s %s\n' "$1" "$2" "$1" "$1" "$3"
}

{
  gauge logged_in "Whether Vault took the agent's token at the last look" "$logged_in"
  gauge last_success_timestamp_seconds "When Vault last took the agent's token; 0 = not yet" "$success"
  gauge token_expiry_timestamp_seconds "End of the agent's token, unless it is renewed; 0 = none yet" "$expiry"
  gauge secret_id_expiry_timestamp_seconds "End of the secret_id, which the agent needs to log in again" \
    "$(cat "${CREDENTIALS:-/credentials}/expiry" 2> /dev/null || echo 0)"
  if [ -f "$here/reload.sh" ]; then
    gauge reload_confirmed "Whether every serving replica has confirmed the last change" "$confirmed"
  fi
} > "$AUDIT_METRICS_FILE.new"
mv "$AUDIT_METRICS_FILE.new" "$AUDIT_METRICS_FILE"

# Vault Agent does not repeat a failed command until the next change.
if [ "$confirmed" = 0 ] && ! sh "$here/reload.sh"; then exit 1; fi
if [ "$logged_in" = 0 ]; then
  echo "Vault does not answer, or does not take the agent's token"
  exit 1
fi
if [ ! -s "$AUDIT_RENDERED_FILE" ]; then
  echo "$AUDIT_RENDERED_FILE is not rendered"
  exit 1
fi
