"""The commands: serve (the default), migrate, generate URL TOKEN_FILE [COUNT]."""

import asyncio
import json
import os
import random
import sys
import urllib.request
from datetime import datetime, timezone

import asyncpg
import uvicorn

from service import connection, read_config

LISTEN = os.environ.get("AUDIT_LISTEN", "0.0.0.0:8080")


async def migrate() -> None:
    config, _ = read_config()
    db = await asyncpg.connect(**connection(config), timeout=10)
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock(4242)")
        await db.execute("CREATE SCHEMA IF NOT EXISTS toy")
        await db.execute(
            "CREATE TABLE IF NOT EXISTS toy.events (id uuid PRIMARY KEY, occurred_at timestamptz NOT NULL, application text NOT NULL,"
            " actor text NOT NULL, action text NOT NULL, resource text NOT NULL, outcome text NOT NULL, data jsonb NOT NULL)"
        )
        await db.execute("CREATE INDEX IF NOT EXISTS events_time ON toy.events (occurred_at, id)")
        role = config.get("runtimeRole")
        if role:
            quoted = '"' + role.replace('"', '""') + '"'
            await db.execute(f"GRANT USAGE ON SCHEMA toy TO {quoted}; GRANT SELECT, INSERT ON toy.events TO {quoted}")
    await db.close()
    print("migrated")


def generate(args: list[str]) -> None:
    """generate URL TOKEN_FILE [COUNT]"""
    url, token_file, count = args[0], args[1], int(args[2]) if len(args) > 2 else 20
    with open(token_file, encoding="utf-8") as file:
        token = file.read().strip()
    for _ in range(count):
        event = {
            "application": random.choice(["billing", "identity"]), "actor": "anna", "action": "user.login", "resource": "session/1",
            "outcome": "success", "occurredAt": datetime.now(timezone.utc).isoformat(),
        }
        request = urllib.request.Request(
            f"{url}/v1/events", json.dumps(event).encode(), {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 201
    print(json.dumps({"sent": count, "acked": count}))


def main() -> None:
    command, args = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("serve", [])
    if command == "serve":
        host, port = LISTEN.rsplit(":", 1)
        uvicorn.run("service:app", host=host, port=int(port), workers=int(os.environ.get("WORKERS", "1")), access_log=False,
                    log_level="warning", timeout_graceful_shutdown=20)
    elif command == "migrate":
        asyncio.run(migrate())
    elif command == "generate":
        generate(args)
    else:
        sys.exit(f"unknown command {command}")


if __name__ == "__main__":
    main()
