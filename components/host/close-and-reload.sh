#!/bin/sh
# Reloads nginx without a request lost, see `@closing_read` in nginx/service.conf: connections are ended by nginx's own word first. Runs
# inside the container as a whole, so that it goes on to its end when the deploy is killed.
#
# Arguments: CONFIGURATION CLOSING_FILE SECONDS: the configuration, the file whose presence ends connections, and how long before the reload.
# Exit codes: those of nginx.
set -eu

: > "$2"
sleep "$3"
code=0
nginx -c "$1" -s reload || code=$?
# The old workers learn of a reload a moment after it.
sleep 1
rm -f "$2"
exit "$code"
