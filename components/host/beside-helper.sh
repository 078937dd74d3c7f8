#!/bin/sh
# Included by promote.sh, drain.sh and recover.sh: runs their `steps` beside the helper, switch-helper.sh in a one-shot
# container, to which they talk with `ask`. The one-shot ends when its input ends, however this script ends.

# Sends $* to the helper and stores its answer in $answer.
ask() {
  answer=
  echo "$*" >&3
  read -r answer <&4 || {
    echo "the one-shot on the VM that helps the switch has ended unexpectedly" >&2
    exit 1
  }
}

# Ends the script if the answer was that another deploy has taken over.
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

# Runs `steps`, with empty standard input, beside the helper, whose command is "$@". A deploy that was killed can leave
# its script running on the VM. Each deploy therefore writes a unique name into the marker's volume. A script that finds
# another name there stops: a newer deploy has taken over.
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
