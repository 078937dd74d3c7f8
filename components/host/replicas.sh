#!/bin/sh
# Included by promote.sh, drain.sh and recover.sh: starts replicas, waits for them, reports on them and ends them.
#
# Lists are words, separated by blanks: of replicas NAME=URL, the URL being the one that says whether the replica is ready, or of names.
# Environment: READY_SECONDS, how long each replica has from its start until it must be ready.
# Needs `ask` of beside-helper.sh.

began=$(date +%s)

# Restarts by Docker after which a replica is given up, however long it still has: the fifth comes some three seconds after the first.
restarts_limit=5

# The names of the replicas $1.
names_of() {
  for one in $1; do printf '%s ' "${one%%=*}"; done
}

# Says so when the container $1 was killed for want of memory. Asks both, Docker's events and the state: a restart takes .State.OOMKilled
# back, and Docker tells of no event when it was the container's first moment.
killed() {
  ooms=$(docker events --since "$began" --until "$(date +%s)" --filter "container=$1" --filter event=oom --format x | wc -l)
  [ "$ooms" -gt 0 ] || [ "$(docker inspect --format '{{.State.OOMKilled}}' "$1" 2> /dev/null)" = true ] || return 0
  limit=$(docker inspect --format '{{.HostConfig.Memory}}' "$1")
  echo ", killed for want of memory at its limit of $((limit / 1048576)) MiB"
}

# State and last lines of the containers $1, on standard error.
report() {
  for c in $1; do
    state=$(docker inspect --format '{{.State.Status}}, exit code {{.State.ExitCode}}, {{.RestartCount}} restarts' "$c" 2>&1) || :
    echo "--- $c: $state$(killed "$c"); its last lines:" >&2
    docker logs --tail 50 "$c" >&2 2>&1 || :
  done
}

# Has the container $1 run. `docker start` of a running container is no error and changes nothing, of one between two restarts too; of
# another it begins to count its restarts anew.
start() {
  case "$(docker inspect --format '{{.State.Status}}' "$1")" in
    paused) docker unpause "$1" ;;
    restarting) docker restart "$1" ;;
    *) docker start "$1" ;;
  esac > /dev/null
}

# Waits until the replica $1 is ready. Fails when it is not by $end, with the reason in $late.
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

# Starts the replicas $1 and waits for them: as many at a time as half of the cores, since what starts takes one, and two of them all that
# a small machine has. Fails with the reason in $late.
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

# Ends those of the containers $2 that run: a deploy that was killed may have removed one of them. Each has $1 seconds. None waits for
# another's last clients, but they do not end in one moment either, for the same reason as they do not start in one.
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
