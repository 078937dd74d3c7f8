#!/bin/sh
# Prints what containers have logged, each line as "CONTAINER TIME TEXT". It ends when its standard input does, so that
# it outlives no caller.
#
# Arguments: FOLLOW (yes: go on with what comes, also of containers that start later), SINCE (a time or a length, as
#   Docker takes it, or -), LINES (the last of each container, or all), TEXT (only lines with it, or -), PATTERN (an
#   extended regular expression that names are to match).
# Exit codes: 0
set -u

follow=$1
since=$2
lines=$3
text=$4
pattern=$5

# Prints the log of the container $1; further arguments are options of `docker logs`.
print() {
  name=$1
  shift
  docker logs --timestamps "$@" "$name" 2>&1 | having | sed -u "s/^/$name /"
}

having() {
  if [ "$text" = - ]; then cat; else grep --line-buffered -F -e "$text" || :; fi
}

now=$(date +%s)
past="--tail $lines"
[ "$since" = - ] || past="$past --since $since"

if [ "$follow" = yes ]; then
  docker events --since "$now" --filter type=container --filter event=start \
    --format '{{.Time}} {{.Actor.Attributes.name}}' | while read -r time name; do
    if echo "$name" | grep -qE "$pattern"; then print "$name" --follow --since "$time" & fi
  done &
fi
for name in $(docker ps --all --format '{{.Names}}' | grep -E "$pattern" | sort); do
  # shellcheck disable=SC2086 # two options or four
  if [ "$follow" = yes ]; then print "$name" --follow $past & else print "$name" $past & fi
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
