#!/bin/sh
# Makes a job's image ready: ci/prepare.sh [--npm] [program...], where a program is pulumi, buildah, ssh, git or shellcheck.
# What is there already is used; the rest comes from Debian (as root) or, Pulumi, from its vendor, checked against the
# vendor's checksums. An image that has it all (CI_IMAGE) makes this a matter of a second.
set -eu
cd "$(dirname "$0")/.."
fail() { echo "error: $1" >&2; exit 1; }

tools=.cache/ci/bin
mkdir -p "$tools"

debian() { # program package...
  program=$1
  shift
  if command -v "$program" > /dev/null; then return; fi
  { command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; } ||
    fail "$program is not in the job's image and cannot be installed; use a Debian image as root, or one that has it (CI_IMAGE)"
  # A mirror of one's own may have a certificate of one's own.
  trust=${SSL_CERT_FILE:+-o Acquire::https::CAInfo=$SSL_CERT_FILE}
  # shellcheck disable=SC2086 # two words or none; mktemp's path has no blanks
  { apt-get $trust update -q > /dev/null && apt-get $trust install -q -y --no-install-recommends "$@" > /dev/null; } ||
    fail "apt-get could not install $*"
}

pulumi() {
  want=$(node -p 'require("./versions.json").tools.pulumi')
  have=$(env PATH="$PWD/$tools:$PATH" pulumi version 2> /dev/null || true)
  if [ "${have#v}" = "$want" ]; then return; fi
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) fail "Pulumi is not published for $(uname -m)" ;; esac
  debian curl curl ca-certificates
  file=pulumi-v$want-linux-$arch.tar.gz
  base=https://get.pulumi.com/releases/sdk
  work=$(mktemp -d)
  { curl -fsSL --retry 3 -o "$work/$file" "$base/$file" &&
    curl -fsSL --retry 3 -o "$work/sums" "$base/pulumi-$want-checksums.txt"; } ||
    fail "Pulumi $want could not be fetched from $base; bring it along in the job's image (CI_IMAGE)"
  (cd "$work" && grep " $file\$" sums | sha256sum -c --quiet -) || fail "$base/$file does not have the checksum that Pulumi publishes for it"
  tar -xzf "$work/$file" -C "$work"
  cp "$work"/pulumi/* "$tools/"
  rm -rf "$work"
}

packages() {
  lock=$(sha256sum package-lock.json)
  if [ "$(cat node_modules/.ci-lock 2> /dev/null)" = "$lock" ]; then return; fi
  npm ci --ignore-scripts --no-audit --no-fund --prefer-offline --cache .cache/ci/npm > .cache/ci/npm.log 2>&1 ||
    { tail -n 20 .cache/ci/npm.log >&2; fail "npm ci failed"; }
  echo "$lock" > node_modules/.ci-lock
}

for part in "$@"; do
  case $part in
    --npm) packages ;;
    pulumi) pulumi ;;
    buildah) debian buildah buildah netavark ca-certificates ;;
    ssh) debian ssh openssh-client ;;
    git) debian git git ;;
    shellcheck) debian shellcheck shellcheck ;;
    *) fail "ci/prepare.sh does not know $part" ;;
  esac
done
