#!/bin/sh
# Promotes a slot: starts its replicas, waits until they are ready, and has nginx pass requests to them. Runs on the VM.
# Each step may be repeated without harm. drain.sh drains the other slot.
#
# Arguments: the command of the helper, switch-helper.sh, without its last argument.
# Environment: TARGET, the slot (blue or green); TARGET_REPLICAS, its replicas, words NAME=URL; READY_SECONDS, how long each replica has to
#   become ready; PIDS, the limit of processes of a replica; SERVING_SHARES and BACKGROUND_SHARES, the CPU weight of the
#   active slot and of starting replicas.
# Exit codes: 0 the slot is active; 1 it is not, with the reason on standard error, and the other slot keeps serving.
set -eu

. ./replicas.sh
. ./beside-helper.sh

targets=$(names_of "$TARGET_REPLICAS")

steps() {
  ask take-over
  # Starting replicas run in the background.
  if [ "$answer" = "$TARGET" ]; then shares=$SERVING_SHARES; else shares=$BACKGROUND_SHARES; fi
  # shellcheck disable=SC2086 # a list of names
  docker update --cpu-shares "$shares" --pids-limit "$PIDS" $targets > /dev/null
  bring_up "$TARGET_REPLICAS" || {
    report "$targets"
    # It serves nobody, and nothing else would stop it if the next deploy returns to the active release.
    ask hold
    mine
    if [ "$answer" != "$TARGET" ]; then end 5 "$targets"; fi
    echo "the new release in slot $TARGET is not ready ($late); slot $answer keeps serving" >&2
    exit 1
  }
  # shellcheck disable=SC2086 # a list of names
  docker update --cpu-shares "$SERVING_SHARES" $targets > /dev/null
  promote "$TARGET"
  echo "slot $TARGET serves"
}

beside_helper "$@"
