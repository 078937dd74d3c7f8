#!/bin/sh
# Keeps the contract of the official image's entrypoint: sub-commands and options go to vault, `server` gets /vault/config,
# VAULT_LOCAL_CONFIG becomes a file there, root steps down to the user vault.
set -e
# shellcheck disable=SC3045 # dash and BusyBox have it
ulimit -c 0

if [ "${1#-}" != "$1" ]; then
  set -- vault "$@"
elif [ "$1" = server ]; then
  shift
  if [ -n "$VAULT_LOCAL_CONFIG" ]; then
    echo "$VAULT_LOCAL_CONFIG" > /vault/config/local.json
  fi
  set -- vault server -config=/vault/config "$@"
elif [ "$1" = version ]; then
  set -- vault "$@"
elif [ "$1" != vault ] && ! command -v "$1" >/dev/null 2>&1; then
  set -- vault "$@"
fi

if [ "$1" = vault ] && [ "$(id -u)" = 0 ]; then
  if [ -z "$SKIP_CHOWN" ]; then
    for dir in /vault/config /vault/logs /vault/file; do
      [ "$(stat -c %u "$dir")" = 100 ] || chown -R vault:vault "$dir" || echo "could not chown $dir; is it writable?" >&2
    done
  fi
  exec setpriv --reuid=vault --regid=vault --init-groups "$@"
fi
exec "$@"
