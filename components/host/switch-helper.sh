#!/bin/sh
# The one-shot container beside a switch. The script on the VM has docker, but no HTTP client and no access to the
# marker's volume. This one has both, so the script sends it commands on standard input. Each is answered by one line:
#
#   take-over     this deploy decides from now on; answers the active slot, blue or green
#   await URL     answers ready, or after a second or two what is missing
#   promote SLOT  makes it the active one; answers done, superseded if another deploy has taken over since, or the
#                 reason for a failure
#   hold          answers the active slot, or superseded. In the first case no other deploy takes over until this
#                 one-shot ends: it waits at its take-over.
#
# Arguments: MARKER_DIRECTORY CONFIG_FILE SCHEMA_VERSION NAME, where NAME is that of this deploy. A replica must report
#   the digest of the configuration file and at least the schema version. Either check is skipped if its argument is
#   empty, or if the image reports no such value (audit-svc/CONTRACT.md).
# Environment: TMPDIR, default /tmp.
# Exit codes: 0 at the end of its input.
set -u

directory=$1
config=$2
schema=$3
me=$4
# The active-slot marker: if present, green is active.
marker=$directory/green
error=${TMPDIR:-/tmp}/error

# A lock, so that checking the owner and deciding are one step.
lock() {
  exec 9> "$directory/lock"
  flock 9
}

serving() {
  if [ -e "$marker" ]; then echo green; else echo blue; fi
}

mine() {
  [ "$(cat "$directory/owner")" = "$me" ]
}

# Whether the answer of the URL $1 is right; fails with the reason in $why.
right() {
  body=$(wget -q -T 2 -O - "$1" 2> "$error") || {
    why="does not answer 2xx: $(tail -n 1 "$error")"
    return 1
  }
  if [ -n "$config" ]; then
    want=$(sha256sum "$config" | cut -c 1-64)
    case "$body" in
      *"$want"*) ;;
      *'"digest"'*)
        why="works with another configuration than the one rendered, sha256 $want: $body"
        return 1
        ;;
    esac
  fi
  if [ -n "$schema" ]; then
    got=$(printf %s "$body" | sed -n 's/.*"schemaVersion": *\([0-9]*\).*/\1/p')
    if [ "${got:-$schema}" -lt "$schema" ]; then
      why="sees version $got of the schema, and migrate made $schema"
      return 1
    fi
  fi
}

await() {
  end=$(($(date +%s) + 1))
  until right "$1"; do
    if [ "$(date +%s)" -gt "$end" ]; then
      printf '%s %s' "$1" "$why" | tr '\n' ' '
      echo
      return
    fi
    sleep 0.1
  done
  echo ready
}

promote() {
  lock
  mine || {
    echo superseded
    return
  }
  case "$1" in
    green)
      # An existing marker is left alone: it is read-only, and even root may not write to it without capabilities.
      [ -e "$marker" ] || {
        : > "$marker"
        chmod 0444 "$marker"
      }
      ;;
    blue) rm -f "$marker" ;;
  esac
  if [ "$(serving)" = "$1" ]; then echo "done"; else echo "the active-slot marker cannot be changed"; fi
}

take_over() {
  lock
  printf %s "$me" > "$directory/owner"
  serving
}

while read -r question about; do
  case "$question" in
    # In a subshell, whose end releases the lock.
    take-over) (take_over) ;;
    promote) (promote "$about") ;;
    await) await "$about" ;;
    # In this shell, so that the lock is kept.
    hold)
      lock
      if mine; then
        serving
      else
        exec 9>&-
        echo superseded
      fi
      ;;
  esac
done
