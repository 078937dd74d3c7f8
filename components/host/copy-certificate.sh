#!/bin/sh
# Splits its input into metrics and certificate and moves both into place, readable only by one group. Runs in a
# one-shot container.
#
# Arguments: DIRECTORY GROUP CERTIFICATE METRICS, the latter names of files in the directory.
# Standard input: the metrics, a line "-----certificate-----", the certificate with its chain and its key.
# Exit codes: 0 both are in place.
set -eu
umask 077

directory=$1
group=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

out=$work/metrics
: > "$out"
while IFS= read -r line; do
  if [ "$line" = -----certificate----- ]; then
    out=$work/certificate
    : > "$out"
  else
    printf '%s\n' "$line" >> "$out"
  fi
done

# Moves the file $1 to its place under the name $2.
place() {
  cp "$work/$1" "$directory/.$2"
  chmod 0440 "$directory/.$2"
  chown "0:$group" "$directory/.$2"
  mv -f "$directory/.$2" "$directory/$2"
}
place certificate "$3"
place metrics "$4"
