#!/bin/sh
# The preStop hook of Nginx's pod: closes keep-alive connections by its answers, while new connections go to other pods,
# and then stops Nginx.
#
# Arguments: CONFIGURATION CLOSING_FILE SECONDS: the configuration, the file whose presence makes Nginx close each
#   connection after its current request, and how long that lasts.
# Exit codes: 0 Nginx has ended.
set -u

: > "$2"
sleep "$3"
pid=$(cat /tmp/nginx.pid)
# SIGQUIT lets it finish the requests that it has; which signal the image's own would be, is not known here.
nginx -c "$1" -s quit
while kill -0 "$pid" 2> /dev/null; do sleep 0.2; done
