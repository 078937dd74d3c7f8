#!/bin/sh
# The one-shot container beside a switch. The script on the VM has docker, but no HTTP client, and no right to the marker's volume; so it
# asks this one, which has both, by lines on standard input. Each question is answered by one line:
#
#   take-over     this deploy decides from now on; answers which slot serves, blue or green
#   await URL     ready, or after a second or two what is missing
#   promote SLOT  makes it the active one: done, superseded when another deploy has taken over since, or why it could not be done
#   mine          which slot serves, or superseded
#
# Arguments: MARKER_DIRECTORY CONFIG_FILE SCHEMA_VERSION NAME, NAME being that of this deploy. What an answer of the URL reports must be right
#   as well: the digest of the configuration file, and at least the version of the schema; either is not looked at when the argument is
#   empty, and an image that reports no digest or no version (audit-svc/CONTRACT.md) is taken at its word.
# Environment: TMPDIR, default /tmp.
# Exit codes: 0 at the end of its input.
set -u

directory=$1
config=$2
schema=$3
me=$4
# The active-slot marker: present, green serves.
marker=$directory/green
error=${TMPDIR:-/tmp}/error

# Looking at the owner and deciding become one step by this file.
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
      # A marker that is there is left alone: it is read-only, and root without capabilities may not write to it either.
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
    # In a shell of its own, with which the lock ends.
    take-over) (take_over) ;;
    promote) (promote "$about") ;;
    await) await "$about" ;;
    mine) if mine; then serving; else echo superseded; fi ;;
  esac
done
