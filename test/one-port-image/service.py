"""An audit service with one port: /reload, /metrics, health and events all on 8080.

It stands for other implementations, such as the Python original. One INSERT per request; no grouping, no limits beyond
what the types say. Settings: AUDIT_CONFIG_FILE (default /run/audit/config.json), AUDIT_LISTEN (default 0.0.0.0:8080),
WORKERS (default 1; with more, /reload reaches one worker only, the file's watch the others).
"""

import asyncio
import collections
import hashlib
import hmac
import json
import os
import ssl
import uuid
from contextlib import asynccontextmanager, contextmanager
from datetime import timezone

import asyncpg
from fastapi import FastAPI, HTTPException, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Gauge, generate_latest
from pydantic import AwareDatetime, BaseModel, Field

CONFIG_FILE = os.environ.get("AUDIT_CONFIG_FILE", "/run/audit/config.json")

EVENTS = Counter("audit_events_total", "Events stored, by application", ["application"])
REQUESTS = Counter("http_requests_total", "HTTP requests answered", ["method", "route", "code"])
GENERATION = Gauge("audit_config_generation", "Number of configurations applied since the start")

RELOADS = Counter("audit_config_reloads_total", "Times that POST /reload came in, by result", ["result"])
for result in ("applied", "refused"):
    RELOADS.labels(result)


class Event(BaseModel):
    id: uuid.UUID | None = None
    application: str = Field(min_length=1, max_length=100)
    actor: str = Field(min_length=1, max_length=256)
    action: str = Field(min_length=1, max_length=128)
    resource: str = Field(min_length=1, max_length=1024)
    outcome: str = Field(min_length=1, max_length=16)
    occurredAt: AwareDatetime
    data: dict = {}


class State:
    """The configuration in force."""

    pool: asyncpg.Pool | None = None
    users: collections.Counter[asyncpg.Pool] = collections.Counter()
    tokens: list[tuple[str, str, str | None]] = []
    digest = ""
    generation = 0
    lock = asyncio.Lock()


def read_config() -> tuple[dict, str]:
    with open(CONFIG_FILE, "rb") as file:
        content = file.read()
    return json.loads(content), hashlib.sha256(content).hexdigest()


def connection(config: dict) -> dict:
    db = config["database"]
    mode = db.get("sslmode", "disable")
    context = ssl.create_default_context(cadata=db.get("caCertificate")) if mode == "verify-full" else {"disable": False}.get(mode, mode)
    return dict(host=db["host"], port=db.get("port", 5432), database=db["name"], user=db["user"], password=db["password"], ssl=context)


async def reload() -> None:
    """Takes in the file; raises and leaves everything as it was when it cannot be used."""
    async with State.lock:
        config, digest = read_config()
        if digest == State.digest:
            return
        pool = await asyncpg.create_pool(**connection(config), min_size=1, max_size=10, timeout=5)
        try:
            await pool.fetchval("SELECT 1 FROM toy.events LIMIT 1")
        except Exception:
            await pool.close()
            raise
        old, State.pool = State.pool, pool
        State.tokens = [(t["sha256"].lower(), t["role"], t.get("application")) for t in config.get("tokens", [])]
        State.digest = digest
        State.generation += 1
        GENERATION.set(State.generation)
        if old is not None:
            retire(old)


def retire(pool: asyncpg.Pool) -> None:
    """Closes a pool that a reload has replaced, once nobody uses it: one that closes refuses whoever still waits for a connection."""
    if pool is not State.pool and State.users[pool] == 0:
        del State.users[pool]
        asyncio.create_task(pool.close())


@contextmanager
def in_use(pool: asyncpg.Pool):
    State.users[pool] += 1
    try:
        yield pool
    finally:
        State.users[pool] -= 1
        retire(pool)


async def watch() -> None:
    while True:
        try:
            await reload()
        except Exception as error:
            print(json.dumps({"level": "error", "msg": "configuration rejected", "reason": type(error).__name__}))
        await asyncio.sleep(2)


@asynccontextmanager
async def lifespan(_app: FastAPI):
    task = asyncio.create_task(watch())
    yield
    task.cancel()
    if State.pool is not None:
        await State.pool.close()


app = FastAPI(lifespan=lifespan)


def allow(request: Request, role: str) -> tuple[asyncpg.Pool, str | None]:
    """The pool, and the one application that the token is for; None = any."""
    if State.pool is None:
        raise HTTPException(503, "no configuration yet", {"Retry-After": "1"})
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        raise HTTPException(401, "no valid token")
    digest = hashlib.sha256(token.encode()).hexdigest()
    found = [(r, application) for known, r, application in State.tokens if hmac.compare_digest(known, digest)]
    if not found:
        raise HTTPException(401, "no valid token")
    if found[0][0] != role:
        raise HTTPException(403, f"needs the role {role}")
    return State.pool, found[0][1]


@app.post("/v1/events", status_code=201)
async def store(event: Event, request: Request):
    pool, own = allow(request, "writer")
    if own not in (None, event.application):
        raise HTTPException(403, "is not this token's application")
    key = event.id or uuid.uuid4()
    try:
        with in_use(pool):
            await pool.execute(
                "INSERT INTO toy.events (id, occurred_at, application, actor, action, resource, outcome, data)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING",
                *(key, event.occurredAt, event.application, event.actor, event.action, event.resource, event.outcome),
                json.dumps(event.data),
            )
    except (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncio.TimeoutError):
        raise HTTPException(503, "the database is away", {"Retry-After": "1"})
    EVENTS.labels(event.application).inc()
    REQUESTS.labels("POST", "/v1/events", "201").inc()
    return {"ids": [str(key)]}


@app.get("/v1/events")
async def read(request: Request, limit: int = 100):
    pool, own = allow(request, "reader")
    where, values = ("", []) if own is None else ("WHERE application = $2", [own])
    with in_use(pool):
        rows = await pool.fetch(f"SELECT * FROM toy.events {where} ORDER BY occurred_at DESC, id DESC LIMIT $1", limit, *values)
    events = [
        {"id": str(r["id"]), "occurredAt": r["occurred_at"].astimezone(timezone.utc).isoformat(), "data": json.loads(r["data"])}
        | {name: r[name] for name in ("application", "actor", "action", "resource", "outcome")}
        for r in rows
    ]
    return {"events": events, "next": None}


@app.post("/reload")
async def reload_now(response: Response):
    try:
        await reload()
    except Exception as error:
        RELOADS.labels("refused").inc()
        response.status_code = 503
        return {"result": "refused", "generation": State.generation, "digest": State.digest, "reason": type(error).__name__}
    RELOADS.labels("applied").inc()
    return {"result": "applied", "generation": State.generation, "digest": State.digest}


@app.get("/healthz")
async def healthz():
    return {"status": "ok"}


@app.get("/readyz")
async def readyz(response: Response):
    try:
        with in_use(State.pool) as pool:
            await pool.fetchval("SELECT 1", timeout=2)
        status = "ready"
    except Exception:
        response.status_code = 503
        status = "not ready"
    return {"status": status, "generation": State.generation, "digest": State.digest}


@app.get("/metrics")
async def metrics():
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
