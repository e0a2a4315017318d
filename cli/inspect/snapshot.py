"""One look at an installation: what Redis said at one moment, as frozen data."""

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from redis import exceptions
from redis.asyncio import Redis

from cli.inspect.entries import Passage, passage
from cli.inspect.keyspace import Names
from common import keys
from common.backlog import Backlog, WorkerReport
from common.clock import written_ms
from common.errors import BusError
from common.records import SessionRecord
from common.redis_client import translated

SESSIONS_MAX: Final = 200
WORKERS_MAX: Final = 200
"""More are counted, not read."""
NOTICES_MAX: Final = 250
"""Of each gateway, the newest ones since the last look."""


_Hash = TypeVar("_Hash", bound=BaseModel)


class Server(NamedTuple):
    """Redis itself; `busy_us` is the time that it has spent in commands since its start."""

    version: str
    used_bytes: int
    limit_bytes: int
    clients: int
    commands: int
    busy_us: int


class Snapshot(NamedTuple):
    """`sessions` are by id. `session_count` and `worker_count` count also those that were not read."""

    at_ms: float
    server: Server
    backlogs: tuple[Backlog, ...]
    dead: Mapping[str, int]
    sessions: Mapping[str, SessionRecord]
    workers: tuple[WorkerReport, ...]
    session_count: int
    worker_count: int
    passages: tuple[Passage, ...]
    newest: Mapping[str, str]
    commands: int


async def look(redis: Redis, names: Names, newest: Mapping[str, str] | None = None) -> Snapshot:
    """Read everything in one round trip; its size is bounded whatever the installation's.

    Parameters
    ----------
    newest : inbox -> id of the newest notice of the last look; inboxes that are not there are only marked.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    sessions = names.sessions[:SESSIONS_MAX]
    pipe = redis.pipeline(transaction=False)
    # Not `time` and `info`: the pipeline of a cluster has no such methods.
    pipe.execute_command("TIME")
    for section in ("server", "memory", "clients", "stats", "commandstats"):
        pipe.execute_command("INFO", section)
    for stream in names.streams:
        pipe.xlen(stream)
        pipe.xpending(stream, keys.GROUP)
        pipe.xrange(stream, count=1)
    for stream in names.dead:
        pipe.xlen(stream)
    for key in (*sessions, *names.workers[:WORKERS_MAX]):
        pipe.hgetall(key)
    for inbox in names.inboxes:
        since = (newest or {}).get(inbox)
        pipe.xrevrange(inbox, "+", f"({since}" if since else "-", count=NOTICES_MAX)
    with translated():
        replies = await pipe.execute(raise_on_error=False)
    _raise_unless_of_a_key(replies)
    at = iter(replies)
    seconds, micros = next(at)
    now_ms = seconds * 1000 + micros / 1000
    server = _server(*islice(at, 5))
    backlogs = tuple(_backlog(stream, now_ms, *islice(at, 3)) for stream in names.streams)
    dead = {key.removeprefix(keys.dead("")): _number(next(at)) for key in names.dead}
    records = {keys.session_of(key): _valid(SessionRecord, next(at)) for key in sessions}
    workers = [_valid(WorkerReport, next(at), **_worker(key)) for key in names.workers[:WORKERS_MAX]]
    inboxes = {inbox: _entries(next(at)) for inbox in names.inboxes}
    found = (passage(entry) for entries in inboxes.values() for entry in entries)
    return Snapshot(
        at_ms=now_ms,
        server=server,
        backlogs=backlogs,
        dead=dead,
        sessions={session: record for session, record in records.items() if record},
        workers=tuple(filter(None, workers)),
        session_count=len(names.sessions),
        worker_count=len(names.workers),
        passages=tuple(p for p in found if p is not None),
        newest=dict(newest or {}) | {inbox: entries[0][0].decode() for inbox, entries in inboxes.items() if entries},
        commands=len(replies),
    )


def _raise_unless_of_a_key(replies: Sequence[Any]) -> None:
    """Errors of one key, as that of a stream whose group is not there yet, are answers; others are raised."""
    with translated():
        for reply in replies:
            if isinstance(reply, exceptions.NoPermissionError):
                raise BusError(f"Redis does not let this user look: {reply}") from reply
            if isinstance(reply, Exception) and not isinstance(reply, exceptions.ResponseError):
                raise reply


def _server(server: Any, memory: Any, clients: Any, stats: Any, commandstats: Any) -> Server:
    return Server(
        version=str(server["redis_version"]),
        used_bytes=int(memory["used_memory"]),
        limit_bytes=int(memory["maxmemory"]),
        clients=int(clients["connected_clients"]),
        commands=int(stats["total_commands_processed"]),
        busy_us=sum(int(figures["usec"]) for figures in commandstats.values()),
    )


def _backlog(stream: str, now_ms: float, length: Any, pending: Any, first: Any) -> Backlog:
    in_hand = int(pending["pending"]) if isinstance(pending, dict) else 0
    entries = _entries(first)
    # Finished tasks are deleted, so that the first entry is the oldest unfinished one.
    oldest_ms = max(0.0, now_ms - written_ms(entries[0][0])) if entries else 0.0
    return Backlog(keys.stage_of(stream), stream, max(0, _number(length) - in_hand), in_hand, oldest_ms)


def _worker(key: str) -> dict[str, str]:
    _, stage, worker = key.split(":", 2)
    return {"stage": stage, "worker": worker}


def _number(reply: Any) -> int:
    return reply if isinstance(reply, int) else 0


def _entries(reply: Any) -> Any:
    return reply if isinstance(reply, list) else []


def _valid(kind: type[_Hash], reply: Any, **known: str) -> _Hash | None:
    """What a hash holds; None when it has gone, or is not of this version."""
    try:
        return kind.model_validate({name.decode(): value.decode() for name, value in reply.items()} | known)
    except (AttributeError, UnicodeDecodeError, ValidationError):
        return None
