#!/bin/sh
# Makes every replica of the active slot reload its configuration. It is the command of a Vault Agent's template, in the
# agent's container. The agent does not repeat a failed command until the content changes, so this script retries: it
# asks each replica until it answers 2xx with the digest of the rendered file. If an image reports no digest, 2xx alone
# means that the new configuration is in force (audit-svc/CONTRACT.md).
#
# Environment: AUDIT_RENDERED_FILE, the configuration; AUDIT_MARKER_FILE, the active-slot marker, present if green is
#   active; AUDIT_BLUE_REPLICAS and AUDIT_GREEN_REPLICAS, words NAME=URL with the address of POST /reload;
#   AUDIT_RELOAD_SECONDS, until a replica that has not confirmed counts as failed; TMPDIR, default /tmp, where
#   last-reload tells health.sh how it ended.
# Exit codes: 0 all of them have confirmed; 1 some have not, with their names on standard error.
set -u

result=${TMPDIR:-/tmp}/last-reload
digest=$(sha256sum "$AUDIT_RENDERED_FILE" | cut -d ' ' -f 1)
if [ -f "$AUDIT_MARKER_FILE" ]; then targets=$AUDIT_GREEN_REPLICAS; else targets=$AUDIT_BLUE_REPLICAS; fi

# Succeeds on 2xx with the right digest, or with none.
confirms() {
  answer=$(wget -q -T "$patience" -O - --post-data "" "$1" 2> /dev/null) || return 1
  case "$answer" in
    *"$digest"*) return 0 ;;
    *'"digest"'*) return 1 ;;
  esac
}

end=$(($(date +%s) + AUDIT_RELOAD_SECONDS))
patience=3
missing=
for target in $targets; do
  # After the deadline the others are asked for a second each, and none later than three: the agent waits for five, and a
  # script that it has cut off would not say that it failed.
  until [ "$(date +%s)" -lt "$((end + 3))" ] && confirms "${target#*=}"; do
    if [ "$(date +%s)" -ge "$end" ]; then
      patience=1
      missing="$missing ${target%%=*}"
      break
    fi
    sleep 0.5
  done
done

if [ -n "$missing" ]; then
  echo "reload: not confirmed by:$missing (wanted configuration digest $digest)" >&2
  echo "failed $digest$missing" > "$result"
  exit 1
fi
echo "confirmed $digest" > "$result"
