"""Carries a session's actions to Redis, and brings the finished frames back to their sessions.

One blocking read serves the whole gateway: its inbox names the frames, one pipeline fetches them.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from secrets import token_urlsafe
from typing import Any, Final, Literal, NamedTuple

from redis.asyncio import Redis

from common import keys, payloads, rings, sessions
from common.batch import Batch
from common.clock import steady_ms
from common.contracts import Handover, Notice, Task
from common.errors import BusError, TaskError
from common.publish import INBOX_MAXLEN
from common.records import Checkpoint, SegmentRecord
from common.redis_client import relearn, translated
from common.settings import Settings
from gateway.actions import Action, Append, Publish
from gateway.traces import Trace

log = logging.getLogger(__name__)

RETRY_S = 0.2
LOOK_AFTER_S: Final = 0.25
"""Who awaits a frame for longer shall `look` for it: its notice may be lost."""
ALREADY_THERE: Final = "equal or smaller"
"""What Redis says to a frame of audio that its ring has got."""


class Listener(NamedTuple):
    """What a session hears of the bus.

    `frames` takes epoch, messages by frame, timings; `lost` takes epoch and the frames that will never come; `moved` is
    called when another gateway has taken the session over.
    """

    frames: Callable[[int, dict[int, bytes], str], None]
    lost: Callable[[int, range], None]
    moved: Callable[[], None]


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
    trace: Trace | None = None
    outages: int = 0
    """How often Redis was away, or refused; whoever sees it rise looks whether its keys are still there."""
    _sessions: dict[str, Listener] = field(default_factory=dict)
    _secret: str = field(default_factory=partial(token_urlsafe, 32))

    def attach(self, session: str, listener: Listener) -> None:
        """News of `session` go to `listener` from now on."""
        self._sessions[session] = listener

    def detach(self, session: str) -> None:
        self._sessions.pop(session, None)

    async def carry_out(self, address: Address, actions: Sequence[Action]) -> None:
        """The actions in their order, in one round trip; again and again while Redis is away.

        Doing some of them twice is harmless: frames of audio have numbers, and so have results.

        Raises
        ------
        BusError
            Redis was away, or refused, for longer than `outage_s`.
        """
        give_up_s = time.monotonic() + self.settings.outage_s
        while actions:
            try:
                await self._carry_out(address, actions)
                break
            except BusError as error:
                await self.note_outage(f"session {address.session} waits", error)
                if time.monotonic() >= give_up_s:
                    raise
                await asyncio.sleep(RETRY_S)

    async def _carry_out(self, address: Address, actions: Sequence[Action]) -> None:
        batch = Batch.of(self.redis)
        for action in actions:
            self._queue(batch, address, action)
        if any(isinstance(action, Append) for action in actions):
            # At every write: a gateway that dies at once afterwards must leave nothing for ever.
            batch.first.expire(keys.audio_ring(address.session), self.settings.session_ttl_s)
        await batch.send(tolerated=ALREADY_THERE)

    def _queue(self, batch: Batch, address: Address, action: Action) -> None:
        match action:
            case Append(frame, pcm):
                ring_frames = self.settings.audio_ring_frames
                rings.append_audio(batch.first, address.session, frame, pcm, ring_frames=ring_frames)
            case Checkpoint():
                sessions.note_checkpoint(batch.first, address.session, action)
            case SegmentRecord():
                sessions.note_segment(batch.first, address.session, action, ttl_s=self.settings.session_ttl_s)
            case Publish():
                task = Task(
                    session=address.session, gateway=self.gateway_id, quality=address.quality,
                    output=address.output, sent_ms=steady_ms(), **asdict(action),
                )  # fmt: skip
                payloads.add_task(batch, keys.stage("audio"), task, b"", inline_bytes=1, ttl_s=1)

    async def look(self, session: str, epoch: int, frames: Sequence[int]) -> dict[int, bytes]:
        """Frames that are in the ring although their notice never came; none while Redis is away."""
        if not frames:
            return {}
        try:
            with translated():
                pipe = self.redis.pipeline(transaction=False)
                rings.read_frames(pipe, session, frames, slots=self.settings.frame_ring_slots)
                (reply,) = await pipe.execute()
        except BusError as error:
            await self.note_outage(f"session {session}", error)
            return {}
        return rings.accept(frames, epoch, reply)

    async def secret(self) -> str:
        """What signs the resume tokens of all gateways of this Redis."""
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            pipe.set(keys.resume_secret(), self._secret, nx=True)
            pipe.get(keys.resume_secret())
            _, found = await pipe.execute()
        # Kept, so that tokens outlive a Redis that comes back empty.
        self._secret = found.decode()
        return self._secret

    async def tell_moved(self, session: str, gateway: str) -> None:
        """Tell the gateway that had a session that it has it no more."""
        fields: Any = Handover(moved=session).to_fields()
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            pipe.xadd(keys.gateway_inbox(gateway), fields, maxlen=INBOX_MAXLEN, approximate=True)
            pipe.expire(keys.gateway_inbox(gateway), self.settings.session_ttl_s)
            await pipe.execute()

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
                await self.note_outage("the inbox waits", error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                # A deaf gateway would be worse than a noisy one.
                log.exception("the inbox reader failed and goes on")
                await asyncio.sleep(RETRY_S)

    async def note_outage(self, what: str, error: BusError) -> None:
        """Redis is away, or refuses."""
        self.outages += 1
        log.warning("%s: %s", what, error)
        await relearn(self.redis)

    async def close(self) -> None:
        """The gateway goes: its inbox goes with it."""
        with contextlib.suppress(BusError), translated():
            await self.redis.unlink(keys.gateway_inbox(self.gateway_id))

    async def _dispatch(self, entries: Sequence[dict[bytes, bytes]]) -> None:
        for session in (fields[b"moved"].decode() for fields in entries if b"moved" in fields):
            if listener := self._sessions.get(session):
                listener.moved()
        found = map(_notice, (fields for fields in entries if b"moved" not in fields))
        ours = [notice for notice in found if notice and notice.session in self._sessions]
        for notice in ours:
            if self.trace:
                self.trace(notice)
            if notice.lost:
                self._sessions[notice.session].lost(notice.epoch, _frames(notice))
        notices = [notice for notice in ours if not notice.lost]
        if not notices:
            return
        with translated():
            pipe = self.redis.pipeline(transaction=False)
            for notice in notices:
                rings.read_frames(pipe, notice.session, _frames(notice), slots=self.settings.frame_ring_slots)
            replies = await pipe.execute()
        for notice, reply in zip(notices, replies, strict=True):
            if listener := self._sessions.get(notice.session):
                listener.frames(notice.epoch, rings.accept(_frames(notice), notice.epoch, reply), notice.timings)


def _frames(notice: Notice) -> range:
    return range(notice.first, notice.first + notice.count)


def _notice(fields: dict[bytes, bytes]) -> Notice | None:
    try:
        return Notice.from_fields(fields)
    except TaskError as error:
        log.error("inbox: %s", error)
        return None
