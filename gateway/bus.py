"""Carries a session's actions to Redis, and brings the finished frames back to their sessions.

One blocking read serves the whole gateway: its inbox names the frames, one pipeline fetches them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from redis.asyncio import Redis

from common import keys, payloads, rings, sessions
from common.contracts import Notice, Task
from common.errors import BusError, TaskError
from common.redis_client import translated
from common.settings import Settings
from gateway.actions import Action, Append, Publish, RaiseEpoch

log = logging.getLogger(__name__)

RETRY_S = 0.2

Deliver = Callable[[int, dict[int, bytes], str], None]
"""Epoch, messages by frame, timings -> the session."""


@dataclass(frozen=True, slots=True)
class Address:
    """What every task of a session says of it."""

    session: str
    quality: int
    output: Literal["frame", "patch"] = "frame"


@dataclass(slots=True)
class GatewayBus:
    """This gateway's side of Redis."""

    redis: Redis
    settings: Settings
    gateway_id: str
    _sessions: dict[str, Deliver] = field(default_factory=dict)

    def attach(self, session: str, deliver: Deliver) -> None:
        """Frames of `session` go to `deliver` from now on."""
        self._sessions[session] = deliver

    def detach(self, session: str) -> None:
        self._sessions.pop(session, None)

    async def carry_out(self, address: Address, actions: Sequence[Action]) -> None:
        """The actions in their order, in one round trip."""
        if not actions:
            return
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            for action in actions:
                self._queue(pipe, address, action)
            if any(isinstance(action, Append) for action in actions):
                # At every write: a gateway that dies at once afterwards must leave nothing for ever.
                pipe.expire(keys.audio_ring(address.session), self.settings.session_ttl_s)
            await pipe.execute()

    def _queue(self, pipe: Any, address: Address, action: Action) -> None:
        match action:
            case Append(frame, pcm):
                rings.append_audio(pipe, address.session, frame, pcm, ring_frames=self.settings.audio_ring_frames)
            case RaiseEpoch(new_epoch):
                sessions.raise_epoch(pipe, address.session, new_epoch)
            case Publish():
                task = Task(
                    session=address.session, gateway=self.gateway_id, quality=address.quality,
                    output=address.output, sent_ms=time.time() * 1000, **asdict(action),
                )  # fmt: skip
                payloads.add_task(pipe, keys.stage("audio"), task, b"", inline_bytes=1, ttl_s=1)

    async def look(self, session: str, epoch: int, frames: Sequence[int]) -> dict[int, bytes]:
        """Frames that are in the ring although their notice never came."""
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            rings.read_frames(pipe, session, frames, slots=self.settings.frame_ring_slots)
            (reply,) = await pipe.execute()
        return rings.accept(frames, epoch, reply)

    async def run(self) -> None:
        """Read the inbox for ever."""
        inbox, last = keys.gateway_inbox(self.gateway_id), "0"
        while True:
            try:
                with translated():
                    reply: Any = await self.redis.xread({inbox: last}, count=256, block=self.settings.block_ms)
                if reply:
                    entries = reply[0][1]
                    last = entries[-1][0]
                    await self._dispatch([fields for _, fields in entries])
            except BusError as error:
                log.warning("%s", error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                # A deaf gateway would be worse than a noisy one.
                log.exception("the inbox reader failed and goes on")
                await asyncio.sleep(RETRY_S)

    async def close(self) -> None:
        """The gateway goes: its inbox goes with it."""
        with contextlib.suppress(BusError), translated():
            await self.redis.unlink(keys.gateway_inbox(self.gateway_id))

    async def _dispatch(self, entries: Sequence[dict[bytes, bytes]]) -> None:
        notices = [notice for notice in map(_notice, entries) if notice and notice.session in self._sessions]
        if not notices:
            return
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            for notice in notices:
                rings.read_frames(pipe, notice.session, _frames(notice), slots=self.settings.frame_ring_slots)
            replies = await pipe.execute()
        for notice, reply in zip(notices, replies, strict=True):
            if deliver := self._sessions.get(notice.session):
                deliver(notice.epoch, rings.accept(_frames(notice), notice.epoch, reply), notice.timings)


def _frames(notice: Notice) -> range:
    return range(notice.first, notice.first + notice.count)


def _notice(fields: dict[bytes, bytes]) -> Notice | None:
    try:
        return Notice.from_fields(fields)
    except TaskError as error:
        log.error("inbox: %s", error)
        return None
