#!/bin/sh
# Drains and stops the slot that was active before the promotion, which is kept for a rollback. Runs on the VM. May be
# repeated without harm.
#
# Arguments: the command of the helper, switch-helper.sh, without its last argument.
# Environment: TARGET, the slot that was promoted; OTHER, the one to drain, and OTHER_REPLICAS, its replicas, words NAME=URL;
#   DRAIN_SECONDS, how long requests that nginx has passed on may take before their replica is told to stop.
# Exit codes: 0 the other slot is stopped; otherwise it is not, with the reason on standard error. Once a newer deploy
#   has taken over, nothing is stopped.
set -eu

. ./replicas.sh
. ./beside-helper.sh

steps() {
  ask take-over
  # Whatever has happened since the promotion, the active slot must not be stopped.
  [ "$answer" = "$TARGET" ] || {
    answer=superseded
    mine
  }
  # Requests that nginx had passed on before the promotion are still being answered; then SIGTERM lets the rest finish.
  sleep "$DRAIN_SECONDS"
  # While replicas stop, no other deploy may start or promote them.
  ask hold
  mine
  end 30 "$(names_of "$OTHER_REPLICAS")"
  echo "slot $OTHER is drained and kept for a rollback"
}

beside_helper "$@"
