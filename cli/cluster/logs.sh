#!/bin/sh
# Prints what the pods of a cluster have logged, each line as "POD TIME TEXT". It ends when its standard input does, so
# that it outlives no caller.
#
# Arguments: FOLLOW (yes: go on with what comes, of the pods that there are), PAST (an option of `kubectl logs`, or -),
#   LINES (the last of each pod; -1: all), SOURCES (WORKLOAD/CONTAINER, with blanks between), and the words of kubectl.
# Exit codes: 0
set -u

follow=$1
past=$2
lines=$3
sources=$4
shift 4

set -- "$@" logs --prefix --timestamps --max-log-requests 200 --tail "$lines"
[ "$past" = - ] || set -- "$@" "$past"
[ "$follow" = no ] || set -- "$@" --follow

for source in $sources; do
  "$@" --selector "app.kubernetes.io/name=${source%/*}" --container "${source#*/}" |
    sed -u 's#^\[pod/\([^/]*\)/[^]]*\] #\1 #' &
done

if [ "$follow" = yes ]; then
  cat > /dev/null
  # This shell, and what it has started.
  trap '' TERM
  kill -TERM 0
else
  wait
fi
exit 0
