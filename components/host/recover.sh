#!/bin/sh
# Recovers the active slot. Runs on the VM before the containers of a slot are replaced. Normally the other slot is
# active and there is nothing to do. If a run was killed between the promotion and its record, this slot is active; then
# the other one is promoted first, so that a deploy never replaces the active slot.
#
# Arguments: the command of the helper, switch-helper.sh, without its last argument.
# Environment: TARGET, the slot whose containers are to be replaced; OTHER, the slot that is active according to the
#   last completed deploy, and OTHER_REPLICAS, its replicas, words NAME=URL; READY_SECONDS, how long each of them has to
#   become ready.
# Exit codes: 0 the target is not active; 1 it is, with the reason on standard error.
set -eu

. ./replicas.sh
. ./beside-helper.sh

steps() {
  ask take-over
  [ "$answer" = "$TARGET" ] || return 0
  echo "$TARGET serves although the last completed deploy says $OTHER: promoting $OTHER first"
  bring_up "$OTHER_REPLICAS" || {
    report "$(names_of "$OTHER_REPLICAS")"
    echo "$OTHER does not become ready ($late); nothing was changed" >&2
    exit 1
  }
  promote "$OTHER"
  sleep 1
}

beside_helper "$@"
