"""What a client has sent and its session has not taken yet.

The socket is read ahead of the session up to a limit, so that a barge-in is heard although audio waits before it;
at the limit the socket is left alone, which slows the client down without losing anything.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from common.avatars.package import Avatar
from gateway.messages import ClientMessage, End

Item = bytes | ClientMessage | Avatar
"""PCM16, a command, or the avatar to switch to."""

COMMAND_BYTES: Final = 256
"""What a command counts for, so that commands have a limit too."""


@dataclass(slots=True)
class Intake:
    """Audio and commands in their order; for one writer and one reader."""

    limit_bytes: int
    waiting_bytes: int = 0
    _weight: int = 0
    _items: deque[Item] = field(default_factory=deque)
    _filled: asyncio.Event = field(default_factory=asyncio.Event)
    _drained: asyncio.Event = field(default_factory=asyncio.Event)

    async def put(self, item: Item) -> None:
        """Add an item; waits while the limit is reached."""
        while self._weight >= self.limit_bytes:
            self._drained.clear()
            await self._drained.wait()
        self._items.append(item)
        self._count(item, 1)
        self._filled.set()

    async def get(self) -> Item:
        """The oldest item; waits for one."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        item = self._items.popleft()
        self._count(item, -1)
        self._drained.set()
        return item

    def clear(self) -> int:
        """Drop what waits; an `end` or a change of avatar among it still holds. How many changes were kept."""
        kept = [item for item in self._items if isinstance(item, End | Avatar)]
        self._items.clear()
        self.waiting_bytes = self._weight = 0
        for item in kept:
            self._items.append(item)
            self._count(item, 1)
        self._drained.set()
        return sum(isinstance(item, Avatar) for item in kept)

    def _count(self, item: Item, sign: int) -> None:
        audio_bytes = len(item) if isinstance(item, bytes) else 0
        self.waiting_bytes += sign * audio_bytes
        self._weight += sign * (audio_bytes or COMMAND_BYTES)
