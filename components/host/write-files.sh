#!/bin/sh
# Takes a stream of files apart, has them checked, and moves them one by one to their places, so that a reader never sees half of one.
# Runs in a one-shot container that has a volume, or on a host without Docker.
#
# Arguments: DIRECTORY MODE FILE... [-- COMMAND...]. The files are names in the directory, and get the octal mode. The command judges the
#   candidates, which are in its current directory; when it fails, the old files stay.
# Standard input: for each file a line "-----next-file-----NAME", then its text.
# Exit codes: 0 all files are in their places; else none of them has changed, unless there was no room.
set -eu

field=-----next-file-----
directory=$1
mode=$2
shift 2
files=
while [ $# -gt 0 ]; do
  if [ "$1" = -- ]; then
    shift
    break
  fi
  files="$files $1"
  shift
done

new=$(mktemp -d)
trap 'rm -rf "$new"' EXIT
out=
while IFS= read -r line || [ -n "$line" ]; do
  case "$line" in
    "$field"*)
      out=$new/${line#"$field"}
      : > "$out"
      ;;
    *) printf '%s\n' "$line" >> "$out" ;;
  esac
done

if [ $# -gt 0 ]; then (cd "$new" && "$@"); fi

for file in $files; do
  cp "$new/$file" "$directory/.$file.new"
  chmod "$mode" "$directory/.$file.new"
  mv "$directory/.$file.new" "$directory/$file"
done
