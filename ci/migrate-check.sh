#!/bin/sh
# Runs the migrations against an empty, disposable PostgreSQL, then checks that nothing is left to do. Variables:
# PGHOST, PGPORT (default 5432), PGDATABASE, PGUSER, PGPASSWORD of that server.
set -eu
cd "$(dirname "$0")/../audit-svc"
config() {
  node -e '
    const { PGHOST: host, PGPORT: port = "5432", PGDATABASE: name, PGUSER: user, PGPASSWORD: password } = process.env;
    process.stdout.write(JSON.stringify({ database: { host, port: Number(port), name, user, password, sslmode: "disable" } }));
  '
}
migrate() { config | AUDIT_CONFIG_FILE=/dev/stdin node --import tsx src/main.ts migrate "$@"; }

migrate || { echo "error: the migrations do not run on an empty database" >&2; exit 1; }
migrate --check || { echo "error: migrate ran, yet migrate --check finds something pending" >&2; exit 1; }
# Each deploy runs migrate again, so it must succeed with nothing to do.
migrate > /dev/null || { echo "error: migrate fails when there is nothing to do" >&2; exit 1; }
