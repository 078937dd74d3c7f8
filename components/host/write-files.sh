#!/bin/sh
# Splits a stream into files, has them checked, and moves them into place one by one, so that a reader never sees a
# partial file. Runs in a one-shot container that has a volume, or on a host without Docker. The former text of each file
# stays beside it, as .NAME.former, for restore-files.sh.
#
# Arguments: DIRECTORY MODE FILE... [-- COMMAND...]. FILE is a name in the directory; each file gets the octal mode. The
#   command checks the new files in its current directory; if it fails, the old files stay.
# Standard input: for each file a line "-----next-file-----NAME", then its text; last the same line without a name.
# Exit codes: 0 all files are in place; otherwise none has changed, unless the disk was full.
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
out=/dev/null
complete=
while IFS= read -r line || [ -n "$line" ]; do
  case "$line" in
    "$field") complete=yes ;;
    "$field"*)
      out=$new/${line#"$field"}
      : > "$out"
      ;;
    *) printf '%s\n' "$line" >> "$out" ;;
  esac
done

# A connection that ends early looks like the end of the input.
[ -n "$complete" ] || {
  echo "the files for $directory did not arrive completely; the old ones stay" >&2
  exit 1
}

if [ $# -gt 0 ]; then (cd "$new" && "$@"); fi

for file in $files; do
  cp "$new/$file" "$directory/.$file.new"
  chmod "$mode" "$directory/.$file.new"
  if [ -e "$directory/$file" ]; then
    cp -p "$directory/$file" "$directory/.$file.kept"
    mv "$directory/.$file.kept" "$directory/.$file.former"
  fi
  mv "$directory/.$file.new" "$directory/$file"
done
