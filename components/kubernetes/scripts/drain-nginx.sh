#!/bin/sh
# Kubernetes' preStop of Nginx: ends its connections by its own word, while new ones go to other pods, and then Nginx itself.
#
# Arguments: CONFIGURATION CLOSING_FILE SECONDS: the configuration, the file whose presence ends each connection with the request that it has,
#   and for how long that goes on.
# Exit codes: 0 Nginx has ended.
set -u

: > "$2"
sleep "$3"
pid=$(cat /tmp/nginx.pid)
# SIGQUIT lets it finish the requests that it has; which signal the image's own would be, is not known here.
nginx -c "$1" -s quit
while kill -0 "$pid" 2> /dev/null; do sleep 0.2; done
