#!/bin/sh
# Writes ci/checksums.txt: fetches the Pulumi CLI and the plugins of package-lock.json from their vendors, for x64 and arm64, and records
# what came. From then on jobs take nothing else (ci/prepare.sh). `make checksums` runs it; commit the file. Lines of plugins' former
# versions stay, because the state may need them still; delete them when a deploy has been made with the new ones.
#
# The CLI must also have the checksum that Pulumi publishes. For plugins this is the first look that counts: run it on a machine and a
# network that you trust. It refuses an archive that has changed since.
# Exit code: 0, or 1 with a line on stderr, the file then being as it was.
set -eu
cd "$(dirname "$0")/.."
fail() { echo "error: $1" >&2; exit 1; }
. ci/artifacts.sh

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
get() { # url archive
  echo "$2" >&2
  fetch "$1/$2" "$work/$2" || fail "$1/$2 could not be fetched"
}

version=$(cli_version)
for arch in x64 arm64; do
  archive=$(cli_archive "$version" "$arch")
  get "$releases/sdk" "$archive"
  published "$archive" "$work" "$version"
done
rm "$work/sums"
plugins > "$work/plugins" || fail "the plugins could not be told; run npm ci first"
while read -r name version owner; do
  for arch in amd64 arm64; do get "$(plugin_place "$name" "$version" "$owner")" "$(plugin_archive "$name" "$version" "$arch")"; done
done < "$work/plugins"
rm "$work/plugins"
(cd "$work" && sha256sum -- *.tar.gz) > "$checksums.new"
if [ -f "$checksums" ]; then
  while read -r sum archive; do
    # Another file under a name that was seen before is either a mistake of the vendor's or an attack.
    if grep -q "  $archive\$" "$checksums.new"; then
      grep -q "^$sum  $archive\$" "$checksums.new" || { rm "$checksums.new"; fail "$archive is not what it was when $checksums was written; ask its vendor before you delete its line there"; }
    else
      case $archive in pulumi-resource-*) echo "$sum  $archive" >> "$checksums.new" ;; esac
    fi
  done < "$checksums"
fi
mv "$checksums.new" "$checksums"
