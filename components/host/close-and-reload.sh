#!/bin/sh
# Reloads nginx without a request lost, see `@closing_read` in nginx/service.conf: nginx first closes keep-alive
# connections by its answers. The whole script runs inside the container, so that it completes even if the deploy is
# killed.
#
# Arguments: CONFIGURATION CLOSING_FILE SECONDS: the configuration, the file whose presence makes nginx close
#   connections, and how long it is present before the reload.
# Exit codes: those of nginx.
set -eu

: > "$2"
sleep "$3"
code=0
nginx -c "$1" -s reload || code=$?
# The old workers notice a reload a moment later.
sleep 1
rm -f "$2"
exit "$code"
