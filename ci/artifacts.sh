#!/bin/sh
# Sourced by ci/prepare.sh and ci/record-checksums.sh, in the repository's root: which archives of Pulumi and its
# plugins are fetched, from where, and with which checksums. Needs curl, sha256sum and Node; the caller has fail().
#
# ci/checksums.txt, if it is there, has a line for each archive, as sha256sum prints it. ci/record-checksums.sh writes it.
checksums=ci/checksums.txt
releases=https://get.pulumi.com/releases

cli_version() { node -p 'require("./versions.json").tools.pulumi'; }

# cli_archive VERSION ARCH: the name of the CLI's archive; ARCH is x64 or arm64.
cli_archive() { echo "pulumi-v$1-linux-$2.tar.gz"; }

# plugins: prints a line for each plugin that the program's packages need: its name, its version, and the GitHub owner
# who publishes it, or - for Pulumi itself.
plugins() {
  # shellcheck disable=SC2016 # JavaScript
  node -e '
    const { dependencies } = require("./package.json");
    for (const name of Object.keys(dependencies)) {
      const { pulumi } = require(`./node_modules/${name}/package.json`);
      if (!pulumi?.resource) continue;
      const [, owner] = /^github:\/\/api\.github\.com\/([\w.-]+)$/.exec(pulumi.server ?? "") ?? [];
      if (pulumi.server && !owner) throw new Error(`${name} names a place that is not known: ${pulumi.server}`);
      console.log(pulumi.name, pulumi.version, owner ?? "-");
    }'
}

# plugin_archive NAME VERSION ARCH: the name of a plugin's archive; ARCH is amd64 or arm64.
plugin_archive() { echo "pulumi-resource-$1-v$2-linux-$3.tar.gz"; }

# plugin_place NAME VERSION OWNER: the URL below which its vendor publishes it.
plugin_place() {
  if [ "$3" = - ]; then echo "$releases/plugins"; else echo "https://github.com/$3/pulumi-$1/releases/download/v$2"; fi
}

# fetch URL FILE
fetch() { curl -fsSL --retry 3 -o "$2" "$1"; }

# published ARCHIVE DIRECTORY VERSION: checks the CLI's archive in DIRECTORY against the checksum that Pulumi publishes.
published() {
  fetch "$releases/sdk/pulumi-$3-checksums.txt" "$2/sums" || fail "the checksums of Pulumi $3 could not be fetched from $releases/sdk"
  (cd "$2" && grep " $1\$" sums | sha256sum -c --quiet - > /dev/null 2>&1) ||
    fail "$releases/sdk/$1 does not have the checksum that Pulumi publishes for it"
}

# recorded ARCHIVE DIRECTORY: checks the archive in DIRECTORY against the checksum in the repository.
recorded() {
  want=$(sed -n "s/^\([0-9a-f]\{64\}\)  $1\$/\1/p" "$checksums")
  [ -n "$want" ] || fail "$checksums has no checksum of $1; run make checksums and commit the file"
  have=$(sha256sum < "$2/$1")
  [ "${have%% *}" = "$want" ] || fail "$1 has changed: $checksums says $want, and this is ${have%% *}; nothing of it was used"
}
