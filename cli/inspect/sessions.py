"""Which session is meant, and what its gateways were told of it."""

import re
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from cli.inspect.entries import Passage, passage
from cli.inspect.keyspace import names
from common import keys
from common.errors import InputError
from common.redis_client import translated

PAGE: Final = 500
_PREFIX: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


async def resolve(redis: Redis, prefix: str) -> str:
    """The one session whose id begins like this; also one that has ended, while notices of it are left.

    Raises
    ------
    InputError
        There is none, there are several, or no id can begin so.
    BusError
        Redis cannot be reached.
    """
    if not _PREFIX.fullmatch(prefix):
        raise InputError(f"'{prefix[:64]}' is no id of a session, nor the beginning of one", field="session")
    found = await names(redis)
    sessions = {keys.session_of(key) for key in found.sessions}
    begun = {session for session in sessions if session.startswith(prefix)}
    if not begun:
        begun = {p.notice.session async for p in passages(redis, found.inboxes) if p.notice.session.startswith(prefix)}
    if prefix in begun:
        return prefix
    if len(begun) == 1:
        return begun.pop()
    if begun:
        some = ", ".join(sorted(begun)[:3])
        raise InputError(f"{len(begun)} sessions begin with '{prefix}': {some}; give more of the id", field="session")
    raise InputError(f"no session '{prefix}' here; `lipstream top` lists them", field="session")


async def passages(redis: Redis, inboxes: Sequence[str]) -> AsyncIterator[Passage]:
    """The notices that gateways still have, the newest of each first.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    for inbox in inboxes:
        newest = "+"
        while True:
            with translated():
                entries: Any = await redis.xrevrange(inbox, newest, "-", count=PAGE)
            for entry in entries:
                if (found := passage(entry)) is not None:
                    yield found
            if len(entries) < PAGE:
                break
            newest = f"({entries[-1][0].decode()}"
