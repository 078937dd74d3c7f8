#!/bin/sh
# Removes files that write-files.sh has written, and their former text.
#
# Arguments: DIRECTORY FILE...
# Exit codes: 0 none of the files exists any more.
set -eu

directory=$1
shift
for file in "$@"; do rm -f "$directory/$file" "$directory/.$file.former"; done
