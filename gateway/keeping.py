"""A session's keys in Redis, from start to end: kept alive, watched, left to its client's return, or removed."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from common import sessions
from common.errors import BusError
from common.records import SessionRecord
from common.settings import Settings
from gateway.bus import GatewayBus
from gateway.open_sessions import SessionLostError

log = logging.getLogger(__name__)

LOOK_S: Final = 0.2

Facts = Callable[[], dict[str, int | str]]


@dataclass(frozen=True, slots=True)
class Keeping:
    """The keys of one session, as long as this gateway has it."""

    bus: GatewayBus
    settings: Settings
    session: str

    async def open(self, record: SessionRecord) -> None:
        """Write a new session down."""
        await sessions.create(self.bus.redis, self.session, record, ttl_s=self.settings.session_ttl_s)

    async def watch(self, facts: Facts) -> None:
        """Say that the session lives; after an outage of Redis, and now and then, see whether it still does there.

        Raises
        ------
        SessionLostError
            It does not.
        """
        outages, touched_s = self.bus.outages, time.monotonic()
        while True:
            await asyncio.sleep(LOOK_S)
            if self.bus.outages == outages and time.monotonic() - touched_s < self.settings.heartbeat_s:
                continue
            seen = self.bus.outages
            try:
                if await sessions.holder(self.bus.redis, self.session) is None:
                    raise SessionLostError("Redis has lost the session; resume it, and it begins again where you are")
                ttl_s = self.settings.session_ttl_s
                await sessions.touch(self.bus.redis, self.session, time.time(), ttl_s=ttl_s, **facts())
                outages, touched_s = seen, time.monotonic()
            except BusError as error:
                await self.bus.note_outage(f"session {self.session}", error)

    async def is_ours(self) -> bool:
        """Whether no other gateway has taken the session over; False while nobody can tell."""
        try:
            holder = await sessions.holder(self.bus.redis, self.session)
        except BusError:
            return False
        return holder is not None and holder.gateway == self.bus.gateway_id

    async def part(self, *, comes_back: bool) -> None:
        """Leave the session to its client's return, or remove it; neither, if another gateway has it by now."""
        try:
            holder = await sessions.holder(self.bus.redis, self.session)
            if holder is None or (holder.gateway != self.bus.gateway_id and holder.state != sessions.MOVING):
                return
            if comes_back:
                await sessions.leave(self.bus.redis, self.session, ttl_s=self.settings.resume_s)
            else:
                await sessions.delete(self.bus.redis, self.session)
        except BusError as error:
            log.warning("session %s is left as it is: %s", self.session, error)

    async def give_back(self, record: SessionRecord) -> None:
        """Redis has lost the session: write what its client needs to resume it."""
        away = record.model_copy(update={"state": sessions.AWAY})
        try:
            await sessions.create(self.bus.redis, self.session, away, ttl_s=self.settings.resume_s)
        except BusError as error:
            log.warning("session %s cannot be resumed: %s", self.session, error)
