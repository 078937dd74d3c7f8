#!/bin/sh
# Runs in the agent beside a service, for a deploy: waits until the agent has rendered the secret as the deploy wrote it, and then until the
# service has confirmed that it works with it.
#
# Arguments: DIGEST [LEFT_OUT]: the sha256 of the file in hex, without the lines that match the extended regular expression LEFT_OUT.
# Environment: AUDIT_RENDERED_FILE, and that of reload.sh.
# Exit codes: 0 confirmed; 1 not, with the reason on standard error.
set -u

sum() {
  if [ -z "${2:-}" ]; then
    sha256sum "$AUDIT_RENDERED_FILE"
  else
    grep -v -E "$2" "$AUDIT_RENDERED_FILE" | sha256sum
  fi | cut -d ' ' -f 1
}

end=$(($(date +%s) + 60))
until [ "$(sum "$@")" = "$1" ]; do
  if [ "$(date +%s)" -ge "$end" ]; then
    echo "the agent has not rendered the secret of this deploy within 60 s" >&2
    exit 1
  fi
  sleep 0.2
done
exec sh "$(dirname "$0")/reload.sh"
