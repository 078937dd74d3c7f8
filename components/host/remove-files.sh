#!/bin/sh
# Takes files away that write-files.sh has written.
#
# Arguments: DIRECTORY FILE...
# Exit codes: 0 they are gone, or were not there.
set -eu

directory=$1
shift
for file in "$@"; do rm -f "$directory/$file"; done
