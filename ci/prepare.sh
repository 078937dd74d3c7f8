#!/bin/sh
# Prepares a job's image: ci/prepare.sh [--npm] [program...], where a program is pulumi, plugins (its plugins, after
# --npm and pulumi), buildah, ssh, git, make, shellcheck, postgresql (the server, and pgbouncer) or kubectl (which a stack
# on a VM, by its file, does without). Programs that are already present are used. The rest is installed from Debian (as
# root). Pulumi and its plugins come from their vendors and are checked against ci/checksums.txt; the CLI is also checked
# against the vendor's checksums. Without that file the CLI fetches its plugins itself when it needs them. With an image
# that has everything (CI_IMAGE) this takes about a second.
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
  # An internal mirror may have a certificate of an internal authority.
  trust=${SSL_CERT_FILE:+-o Acquire::https::CAInfo=$SSL_CERT_FILE}
  # shellcheck disable=SC2086 # two words or none; mktemp's path has no blanks
  { apt-get $trust update -q > /dev/null && apt-get $trust install -q -y --no-install-recommends "$@" > /dev/null; } ||
    fail "apt-get could not install $*"
}

pulumi() {
  . ci/artifacts.sh
  want=$(cli_version)
  have=$(env PATH="$PWD/$tools:$PATH" pulumi version 2> /dev/null || true)
  if [ "${have#v}" = "$want" ]; then return; fi
  case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) fail "Pulumi is not published for $(uname -m)" ;; esac
  debian curl curl ca-certificates
  archive=$(cli_archive "$want" "$arch")
  work=$(mktemp -d)
  fetch "$releases/sdk/$archive" "$work/$archive" ||
    fail "Pulumi $want could not be fetched from $releases/sdk; bring it along in the job's image (CI_IMAGE)"
  published "$archive" "$work" "$want"
  if [ -f "$checksums" ]; then recorded "$archive" "$work"; fi
  tar -xzf "$work/$archive" -C "$work"
  cp "$work"/pulumi/* "$tools/"
  rm -rf "$work"
}

fetch_plugins() {
  . ci/artifacts.sh
  if ! [ -f "$checksums" ]; then return; fi
  case $(uname -m) in x86_64) arch=amd64 ;; aarch64) arch=arm64 ;; *) fail "Pulumi's plugins are not published for $(uname -m)" ;; esac
  work=$(mktemp -d)
  plugins > "$work/plugins" || fail "the plugins could not be listed; run ci/prepare.sh --npm first"
  while read -r name version owner; do
    plugin "$name" "$version" "$owner"
    # The state may come from an earlier version, whose plugins the CLI then needs too.
    # shellcheck disable=SC2013 # versions have no blanks, and the loop may use standard input
    for former in $(sed -n "s/^[0-9a-f]\{64\}  pulumi-resource-$name-v\([0-9][^ ]*\)-linux-$arch\.tar\.gz\$/\1/p" "$checksums"); do
      plugin "$name" "$former" "$owner"
    done
  done < "$work/plugins"
  rm -rf "$work"
}

plugin() { # name version owner
  if [ -d "${PULUMI_HOME:-$HOME/.pulumi}/plugins/resource-$1-v$2" ]; then return; fi
  debian curl curl ca-certificates < /dev/null
  archive=$(plugin_archive "$1" "$2" "$arch")
  place=$(plugin_place "$1" "$2" "$3")
  fetch "$place/$archive" "$work/$archive" || fail "$place/$archive could not be fetched"
  recorded "$archive" "$work"
  env PATH="$PWD/$tools:$PATH" pulumi plugin install resource "$1" "$2" --file "$work/$archive" > "$work/log" 2>&1 < /dev/null ||
    { tail -n 20 "$work/log" >&2; fail "plugin $1 $2 could not be installed"; }
  rm "$work/$archive"
}

# Whether the stack's file says that it runs on a VM; the key may be in quotes, too. ci/Dockerfile has no such file.
on_vm() {
  settings=Pulumi.${AUDIT_STACK:-vm2}.yaml
  [ -f "$settings" ] && ! grep -q "^ *[\"']\{0,1\}audit:platform[\"']\{0,1\} *: *[\"']\{0,1\}kubernetes" "$settings"
}

packages() {
  lock=$(sha256sum package-lock.json)
  if [ "$(cat node_modules/.ci-lock 2> /dev/null)" = "$lock" ]; then return; fi
  npm ci --include=dev --ignore-scripts --no-audit --no-fund --prefer-offline --cache .cache/ci/npm > .cache/ci/npm.log 2>&1 ||
    { tail -n 20 .cache/ci/npm.log >&2; fail "npm ci failed"; }
  echo "$lock" > node_modules/.ci-lock
}

for part in "$@"; do
  case $part in
    --npm) packages ;;
    pulumi) pulumi ;;
    plugins) fetch_plugins ;;
    buildah) debian buildah buildah netavark ca-certificates ;;
    ssh) debian ssh openssh-client ;;
    kubectl) on_vm || debian kubectl kubectl ;;
    git) debian git git ;;
    make) debian make make ;;
    postgresql)
      debian /usr/lib/postgresql/*/bin/postgres postgresql
      debian /usr/sbin/pgbouncer pgbouncer
      # The tests use it to find the server's processes.
      debian pgrep procps
      ;;
    shellcheck) debian shellcheck shellcheck ;;
    *) fail "ci/prepare.sh does not know $part" ;;
  esac
done
