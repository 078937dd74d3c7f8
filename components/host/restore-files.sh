#!/bin/sh
# Puts back the text that files had before write-files.sh wrote them, because what came after that failed. A file that
# did not exist is removed.
#
# Arguments: DIRECTORY FILE...
# Exit codes: 0 all files are as they were.
set -eu

directory=$1
shift
for file in "$@"; do
  if [ -e "$directory/.$file.former" ]; then
    mv "$directory/.$file.former" "$directory/$file"
  else
    rm -f "$directory/$file"
  fi
done
