#!/bin/sh
# Included by promote.sh, drain.sh and recover.sh: starts replicas, waits for them, reports their state and stops them.
#
# Lists are words, separated by blanks: either names, or replicas as NAME=URL, where the URL answers whether the replica
# is ready.
# Environment: READY_SECONDS, how long each replica has from its start until it must be ready.
# Needs `ask` of beside-helper.sh.

began=$(date +%s)

# Give up on a replica after this many restarts by Docker, even before its deadline: the fifth comes about three seconds
# after the first.
restarts_limit=5

# The names of the replicas $1.
names_of() {
  for one in $1; do printf '%s ' "${one%%=*}"; done
}

# Reports that the container $1 ran out of memory and was killed. Checks both Docker's events and the state: a restart
# resets .State.OOMKilled, and Docker sends no event if it happened right after the container's start.
killed() {
  ooms=$(docker events --since "$began" --until "$(date +%s)" --filter "container=$1" --filter event=oom --format x | wc -l)
  [ "$ooms" -gt 0 ] || [ "$(docker inspect --format '{{.State.OOMKilled}}' "$1" 2> /dev/null)" = true ] || return 0
  limit=$(docker inspect --format '{{.HostConfig.Memory}}' "$1")
  echo ", killed: out of memory at its limit of $((limit / 1048576)) MiB"
}

# State and last lines of the containers $1, on standard error.
report() {
  for c in $1; do
    state=$(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, {{.RestartCount}} restarts' "$c" 2>&1) || :
    echo "--- $c: $state$(killed "$c"); its last lines:" >&2
    docker logs --tail 50 "$c" >&2 2>&1 || :
  done
}

# Starts the container $1 if necessary. `docker start` changes nothing for a container that runs or is between two
# restarts; for any other it resets the restart count.
start() {
  case "$(docker inspect --format '{{.State.Status}}' "$1")" in
    paused) docker unpause "$1" ;;
    restarting) docker restart "$1" ;;
    *) docker start "$1" ;;
  esac > /dev/null
}

# Waits until the replica $1 is ready. Fails if it is not ready by $end, with the reason in $late.
await() {
  while
    ask await "${1#*=}"
    # shellcheck disable=SC2154 # set by ask
    [ "$answer" != ready ]
  do
    late=$answer
    restarts=$(docker inspect --format '{{.RestartCount}}' "${1%%=*}") || return 1
    if [ "$restarts" -ge "$restarts_limit" ]; then
      late="${1%%=*} has ended $restarts times: $late"
      return 1
    fi
    if [ "$(date +%s)" -ge "$end" ]; then
      late="within $READY_SECONDS s: $late"
      return 1
    fi
  done
}

# Starts the replicas $1 and waits for them: at most half as many at a time as there are cores, because a starting
# replica uses a whole core, and two would use all of a small machine. Fails with the reason in $late.
bring_up() {
  at_once=$(($(nproc) / 2))
  left=0
  for one in $1; do left=$((left + 1)); done
  begun=
  count=0
  for one in $1; do
    left=$((left - 1))
    begun="$begun $one"
    count=$((count + 1))
    start "${one%%=*}" || {
      late="container ${one%%=*} does not start"
      return 1
    }
    if [ "$left" -gt 0 ] && [ "$count" -lt "$at_once" ]; then continue; fi
    end=$(($(date +%s) + READY_SECONDS))
    for started in $begun; do await "$started" || return 1; done
    begun=
    count=0
  done
}

# Stops those of the containers $2 that run; a deploy that was killed may have removed some. Each has $1 seconds. They
# drain in parallel, so none waits for another's last clients, but their stops are staggered, for the same reason as
# their starts.
end() {
  stops=
  running=$(docker container ls --format '{{.Names}}')
  for c in $2; do
    printf '%s\n' "$running" | grep -qFx "$c" || continue
    [ -z "$stops" ] || sleep 0.5
    docker stop --time "$1" "$c" > /dev/null &
    stops="$stops $!"
  done
  for stop in $stops; do wait "$stop"; done
}
