"""What there is to look at: the names of streams, sessions, workers and gateways, from a bounded walk over the keys."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from common import keys
from common.redis_client import translated

PAGE_KEYS: Final = 1_000
PAGES: Final = 10
"""A walk over more keys than `PAGE_KEYS * PAGES` goes on at the next call."""
STAGES: Final = ("audio", "inference", "compositor")


class Names(NamedTuple):
    """Redis keys by what they hold, sorted; streams in the order in which a task goes through them."""

    streams: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    workers: tuple[str, ...] = ()
    inboxes: tuple[str, ...] = ()


_PATTERNS: Final = {
    "streams": keys.stage("*"),
    "dead": keys.dead("*"),
    "sessions": keys.session("*"),
    "workers": keys.worker("*", "*"),
    "inboxes": keys.gateway_inbox("*"),
}


@dataclass(frozen=True, slots=True)
class Walk:
    """A walk over the keys that may take several calls; `names` are those of the last one that was finished."""

    names: Names = field(default_factory=Names)
    cursor: int = 0
    seen: frozenset[str] = frozenset()
    finished: bool = False
    commands: int = 0


async def walk(redis: Redis, before: Walk | None = None) -> Walk:
    """Go on with a walk, by at most `PAGES` pages.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    if isinstance(redis, RedisCluster):
        # Its cursors are one a node; so many keys that a walk must be cut in parts need no cluster of many nodes.
        with translated():
            found = {key.decode(errors="replace") async for key in redis.scan_iter(count=PAGE_KEYS)}
        return Walk(classify(found), finished=True)
    before = before or Walk()
    cursor, seen = before.cursor, set(before.seen)
    for page in range(1, PAGES + 1):
        with translated():
            reply: Any = await redis.scan(cursor, count=PAGE_KEYS)
        cursor, page_keys = reply
        seen |= {key.decode(errors="replace") for key in page_keys}
        if cursor == 0:
            return Walk(classify(seen), finished=True, commands=page)
    # Until the first walk is finished, what it has found is better than nothing.
    names = before.names if before.finished else classify(seen)
    return replace(before, names=names, cursor=cursor, seen=frozenset(seen), commands=PAGES)


async def names(redis: Redis) -> Names:
    """A whole walk, however long; for commands that look once."""
    at = await walk(redis)
    while at.cursor:
        at = await walk(redis, at)
    return at.names


def classify(found: Iterable[str]) -> Names:
    """The names among all the keys of a server; those of other programs are left out."""
    groups: dict[str, list[str]] = {group: [] for group in _PATTERNS}
    for key in sorted(found):
        for group, pattern in _PATTERNS.items():
            # `session:{x}` is a session, `session:{x}:audio` one of its parts.
            if fnmatchcase(key, pattern):
                groups[group].append(key)
                break
    groups["streams"].sort(key=lambda key: (order_of(keys.stage_of(key)), key))
    groups["dead"].sort(key=lambda key: order_of(key.removeprefix(keys.dead(""))))
    groups["workers"].sort(key=lambda key: (order_of(keys.stage_of(key)), key))
    return Names(**{group: tuple(members) for group, members in groups.items()})


def order_of(stage: str) -> int:
    """Where a stage stands in the flow; unknown ones come last."""
    return STAGES.index(stage) if stage in STAGES else len(STAGES)
