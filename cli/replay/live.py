"""A recording sent again to a running gateway: at its own pace, at another, or as fast as the gateway takes it.

The session is `lossless` whatever the recorded one was, so that what was recorded comes again whatever the timing.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from cli.stream import translated
from common.contracts import OFFERED_QUALITIES
from common.media import BYTES_PER_SAMPLE
from common.recording.plan import Audio, Begin, Clear, Flush, Step, Switch, plan
from common.recording.recording import Key, Recording
from lipstream_client import Flag, Frame, LipstreamClientError, Segment, Session, connect
from workers.offline.replay import Shown

STALL_S: Final = 30.0
"""A barge-in waits no longer for frames that were recorded and do not come; they will be found missing."""


@dataclass(slots=True)
class Replay:
    """One run of a recording over a session.

    Attributes
    ----------
    speed : of the clock; None: as fast as the gateway takes it.
    owed : the frames that must come before a barge-in may be said, by epoch.
    """

    recording: Recording
    session: Session
    speed: float | None
    owed: dict[int, set[Key]] = field(default_factory=dict)
    _sent: int = 0
    _epoch: int = 0
    _begun: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    _bases: list[tuple[int, tuple[int, int] | None]] = field(default_factory=list)
    _progress: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        for key in self.recording.comparable():
            self.owed.setdefault(key.epoch, set()).add(key)

    async def send(self) -> None:
        """Say everything that was said, then end."""
        begun_s = time.monotonic()
        for step in plan(self.recording):
            if self.speed is not None:
                await asyncio.sleep(begun_s + step.t_ms / 1000 / self.speed - time.monotonic())
            await self._say(step)
        await self.session.end()

    async def frames(self) -> AsyncIterator[Shown]:
        """The frames as they come; those of audio that was never answered in the recording are left out."""
        async for item in self.session:
            if isinstance(item, Segment):
                self._bases.append((item.first_frame, self._begun.get((item.epoch, item.audio))))
            elif isinstance(item, Frame) and Flag.IDLE not in item.flags and (key := self._key(item.frame)):
                self.owed.get(key.epoch, set()).discard(key)
                self._progress.set()
                yield Shown(key, item.picture)

    async def _say(self, step: Step) -> None:
        match step:
            case Begin():
                self._begun[self._epoch, self._sent] = step.epoch, step.audio
                await self.session.begin(step.template)
            case Audio():
                await self.session.send_audio(step.pcm)
                self._sent += len(step.pcm) // BYTES_PER_SAMPLE
            case Flush():
                await self.session.flush()
            case Switch():
                await self.session.switch(step.avatar)
            case Clear():
                await self._all_came(step.epoch)
                self._epoch += 1
                await self.session.clear(shown=self._number(step.shown))

    async def _all_came(self, epoch: int) -> None:
        with contextlib.suppress(TimeoutError):
            while self.owed.get(epoch):
                self._progress.clear()
                async with asyncio.timeout(STALL_S):
                    await self._progress.wait()

    def _key(self, frame: int) -> Key | None:
        """The recorded frame to which one of this run corresponds."""
        place = next(((first, segment) for first, segment in reversed(self._bases) if first <= frame), None)
        return Key(*place[1], frame - place[0]) if place and place[1] else None

    def _number(self, key: Key | None) -> int | None:
        """The number in this run of a recorded frame."""
        if key is None:
            return None
        bases = (first for first, segment in self._bases if segment == (key.epoch, key.audio))
        first = next(bases, None)
        return None if first is None else first + key.offset


class Gateway(NamedTuple):
    """Where to send a recording, and how to be let in; `ca` is the PEM of who signed the gateway's certificate."""

    url: str
    token: str | None = None
    ca: Path | None = None


async def replay(
    recording: Recording, gateway: Gateway, speed: float | None, latency_ms: dict[str, float]
) -> AsyncGenerator[Shown, None]:
    """Send a recording to a gateway; the frames that come back.

    Parameters
    ----------
    latency_ms : takes the gateway's last word on the session's latency, p50 and p95.

    Raises
    ------
    InputError, LipstreamError
        The gateway refuses something, or gives the session up.
    """
    header = recording.header
    # One that no client may ask for must have been the gateway's own.
    options: dict[str, Any] = {"quality": header.quality if header.quality in OFFERED_QUALITIES else None}
    try:
        async with connect(
            gateway.url, avatar=str(header.avatar["avatar"]), sample_rate=header.sample_rate, pace="lossless",
            token=gateway.token, ca_file=gateway.ca, output=cast(Any, header.output), **options,
        ) as session:  # fmt: skip
            run = Replay(recording, session, speed)
            sending = asyncio.create_task(run.send())
            try:
                async for shown in run.frames():
                    yield shown
                await sending
                latency_ms |= (session.stats and session.stats.latency_ms) or {}
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
    except LipstreamClientError as error:
        raise translated(error) from error
