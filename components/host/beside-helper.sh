#!/bin/sh
# Included by promote.sh, drain.sh and recover.sh: runs their `steps` beside the helper, switch-helper.sh in a one-shot container, which
# they ask by `ask`. The one-shot ends when nobody can ask it any more: however the script ends.

# Asks the helper $*, and leaves its answer in $answer.
ask() {
  answer=
  echo "$*" >&3
  read -r answer <&4 || {
    echo "the one-shot on the VM that the switch needs has ended" >&2
    exit 1
  }
}

# Ends the script when the answer was that another deploy has taken over.
mine() {
  [ "$answer" != superseded ] || {
    echo "superseded by a newer deploy; stopping" >&2
    exit 1
  }
}

# Promotes the slot $1.
promote() {
  ask promote "$1"
  mine
  [ "$answer" = "done" ] || {
    echo "slot $1 is not promoted: $answer" >&2
    exit 1
  }
}

# Runs `steps`, with empty standard input, beside the helper, whose command is "$@". A deploy that was killed can leave its script running
# on the VM. Whoever comes later writes its name into the marker's volume, and a script that finds another's name there has nothing to
# decide any more; so the helper is given a name of its own.
beside_helper() {
  me=$(cat /proc/sys/kernel/random/uuid)
  lines=$(mktemp -d)
  mkfifo "$lines/questions"
  # shellcheck disable=SC2094 # a pipe between the two, not a file
  "$@" "$me" < "$lines/questions" | {
    exec 3> "$lines/questions" 4<&0 < /dev/null
    rm -r "$lines"
    steps
  }
}
