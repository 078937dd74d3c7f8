#!/bin/sh
# Writes ci/checksums.txt: fetches the Pulumi CLI and the plugins of package-lock.json from their vendors, for x64 and
# arm64, and records their checksums. From then on jobs accept nothing else (ci/prepare.sh). `make checksums` runs it;
# commit the file. Lines of former plugin versions stay, because the state may still need them; delete them after a
# deploy with the new ones.
#
# The CLI must also have the checksum that Pulumi publishes. A plugin is trusted on first use: run this on a machine and
# a network that you trust. It refuses an archive that differs from a recorded one.
# Exit code: 0; or 1 with a line on stderr, and the file unchanged.
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
plugins > "$work/plugins" || fail "the plugins could not be listed; run npm ci first"
while read -r name version owner; do
  for arch in amd64 arm64; do get "$(plugin_place "$name" "$version" "$owner")" "$(plugin_archive "$name" "$version" "$arch")"; done
done < "$work/plugins"
rm "$work/plugins"
(cd "$work" && sha256sum -- *.tar.gz) > "$checksums.new"
if [ -f "$checksums" ]; then
  while read -r sum archive; do
    # Different content under a known name is either the vendor's mistake or an attack.
    if grep -q "  $archive\$" "$checksums.new"; then
      grep -q "^$sum  $archive\$" "$checksums.new" || { rm "$checksums.new"; fail "$archive has changed since $checksums was written; ask its vendor before you delete its line there"; }
    else
      case $archive in pulumi-resource-*) echo "$sum  $archive" >> "$checksums.new" ;; esac
    fi
  done < "$checksums"
fi
mv "$checksums.new" "$checksums"
