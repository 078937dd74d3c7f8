#!/bin/bash
# Keeps the contract of the official postgres image's entrypoint: POSTGRES_USER, POSTGRES_PASSWORD(_FILE), POSTGRES_DB,
# POSTGRES_INITDB_ARGS, POSTGRES_HOST_AUTH_METHOD, PGDATA, /docker-entrypoint-initdb.d, `postgres -c …`, start as root or postgres.
set -Eeuo pipefail

# Takes VAR from VAR_FILE where that is given; both at once is a mistake.
from_file() {
  local name=$1 default=${2:-} file_name=${1}_FILE
  if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
    echo "error: both $name and $file_name are set; give one" >&2
    exit 1
  fi
  if [ -n "${!file_name:-}" ]; then
    export "$name"="$(<"${!file_name}")"
  else
    export "$name"="${!name:-$default}"
  fi
  unset "$file_name"
}

[ "${1:-}" != "" ] && [ "${1:0:1}" = "-" ] && set -- postgres "$@"
if [ "${1:-}" != postgres ]; then
  exec "$@"
fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  chmod 3775 /var/run/postgresql
  find "$PGDATA" \! -user postgres -exec chown postgres:postgres '{}' +
  chown postgres:postgres /var/run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "${BASH_SOURCE[0]}" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  from_file POSTGRES_PASSWORD
  from_file POSTGRES_USER postgres
  from_file POSTGRES_DB "$POSTGRES_USER"
  from_file POSTGRES_INITDB_ARGS
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
    echo "error: the database is not initialised and POSTGRES_PASSWORD (or POSTGRES_PASSWORD_FILE) is not set" >&2
    exit 1
  fi
  mkdir -p "$PGDATA"
  chmod 700 "$PGDATA"
  # shellcheck disable=SC2086 # initdb's arguments are several words on purpose
  eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") --auth-local=trust --auth-host=scram-sha-256 '"$POSTGRES_INITDB_ARGS"
  printf '\nhost all all all %s\n' "$method" >> "$PGDATA/pg_hba.conf"

  # First start: no TCP, so that nobody meets a half-made database.
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
  run_sql() { psql -v ON_ERROR_STOP=1 --no-psqlrc --username "$POSTGRES_USER" --no-password "$@"; }
  if [ "$POSTGRES_DB" != postgres ]; then
    run_sql --dbname postgres --set db="$POSTGRES_DB" <<< 'CREATE DATABASE :"db";'
  fi
  for script in /docker-entrypoint-initdb.d/*; do
    case "$script" in
      *.sh)
        echo "running $script"
        # shellcheck disable=SC1090
        if [ -x "$script" ]; then "$script"; else . "$script"; fi
        ;;
      *.sql) echo "running $script"; run_sql --dbname "$POSTGRES_DB" -f "$script" ;;
      *.sql.gz) echo "running $script"; gunzip -c "$script" | run_sql --dbname "$POSTGRES_DB" ;;
    esac
  done
  PGUSER="$POSTGRES_USER" pg_ctl -D "$PGDATA" -m fast -w stop
  unset PGPASSWORD
  echo "PostgreSQL init process complete; ready for start up."
fi

unset POSTGRES_PASSWORD
exec "$@"
