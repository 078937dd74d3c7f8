#!/bin/sh
# Promotes a slot: starts its replicas, waits until they are ready, has nginx pass requests to them, drains the other slot and stops it.
# Runs on the VM. Each step may be repeated without harm.
#
# Arguments: the command of the helper, switch-helper.sh, without its last argument.
# Environment: TARGET, the slot (blue or green); TARGET_REPLICAS, its replicas, words NAME=URL; OTHER and
#   OTHER_REPLICAS, the slot that is drained and stopped afterwards, and its replicas, empty if that slot is;
#   READY_SECONDS, how long each replica has to become ready; PIDS, the limit of processes of a replica; DRAIN_SECONDS,
#   between the promotion and the stop of the other slot; SERVING_SHARES and BACKGROUND_SHARES, the CPU weight of what
#   serves and of what starts or ends.
# Exit codes: 0 the slot is active; 1 it is not, with the reason on standard error, and the other slot keeps serving.
set -eu

. ./replicas.sh
. ./beside-helper.sh

targets=$(names_of "$TARGET_REPLICAS")

steps() {
  ask take-over
  # Replicas that start or end run in the background.
  if [ "$answer" = "$TARGET" ]; then shares=$SERVING_SHARES; else shares=$BACKGROUND_SHARES; fi
  # shellcheck disable=SC2086 # a list of names
  docker update --cpu-shares "$shares" --pids-limit "$PIDS" $targets > /dev/null
  bring_up "$TARGET_REPLICAS" || {
    report "$targets"
    # It serves nobody, and nothing else would stop it if the next deploy returns to the active release.
    ask mine
    mine
    if [ "$answer" != "$TARGET" ]; then end 5 "$targets"; fi
    echo "the new release in slot $TARGET is not ready ($late); slot $answer keeps serving" >&2
    exit 1
  }
  # shellcheck disable=SC2086 # a list of names
  docker update --cpu-shares "$SERVING_SHARES" $targets > /dev/null
  promote "$TARGET"
  echo "slot $TARGET serves"
  [ -n "$OTHER" ] || return 0
  # Requests that nginx had passed on before the promotion are still being answered; then SIGTERM lets the rest finish.
  sleep "$DRAIN_SECONDS"
  ask mine
  mine
  end 30 "$(names_of "$OTHER_REPLICAS")"
  echo "slot $OTHER is drained and kept for a rollback"
}

beside_helper "$@"
