"""One mouth for one window of audio: a segment of its own, of which exactly one frame is asked for.

The pipeline needs nothing new for it. The window is a closed segment in the ring of a session that lives as long as the
request, and the task names the one frame in its middle.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from common import sessions
from common.avatars.manifest import Manifest
from common.avatars.package import Avatar
from common.clock import steady_ms
from common.errors import AudioError, TaskError
from common.frames import FrameHeader
from common.media import BYTES_PER_SAMPLE
from common.records import SessionRecord
from common.resample import StreamResampler
from gateway.actions import Action, Append, Publish
from gateway.bus import LOOK_AFTER_S, Address, Listener
from gateway.context import Gateway
from gateway.earlier.messages import SAMPLE_RATE_HZ, WINDOW_BYTES
from gateway.earlier.pictures import CROP_QUALITY, loop_position
from gateway.metrics import Timings, parse_timings
from gateway.segmenter import Heard, Segment

TIMEOUT_S: Final = 10.0
AUDIO_MAX_BYTES: Final = 4 * WINDOW_BYTES

Rect = tuple[int, int, int, int]


class Painted(NamedTuple):
    """A mouth: its JPEG, where it belongs in the whole frame, and what it took."""

    picture: bytes
    bounds: Rect
    took_ms: float
    stages: Timings


class Window(NamedTuple):
    """A window of audio as a segment, and the number of the frame in its middle."""

    appends: list[Append]
    samples: int
    frame: int


def window_of(manifest: Manifest, pcm: bytes) -> Window:
    """A window of PCM16 at 24 kHz, cut for the audio ring; without audio it is 16 chunks of silence.

    Of 16 chunks frame 8 is the middle: 8 chunks before its own, 7 behind it.

    Raises
    ------
    AudioError
        An odd number of bytes, or more than four windows.
    """
    if len(pcm) > AUDIO_MAX_BYTES:
        message = f"audio: {len(pcm)} bytes are too long for one mouth; send {WINDOW_BYTES} bytes around its frame"
        raise AudioError(message, field="audio", limit=AUDIO_MAX_BYTES)
    segment = Segment(0, 0, 0, manifest, Heard(), StreamResampler(SAMPLE_RATE_HZ))
    appends = segment.push(pcm or bytes(WINDOW_BYTES)) + segment.close(Heard())
    return Window(appends, segment.samples, segment.frames // 2)


def actions_of(avatar: Avatar, window: Window, frame_id: int, now_ms: float) -> Sequence[Action]:
    """What puts the window on its way."""
    task = Publish(
        avatar=avatar.name,
        epoch=0,
        base=0,
        first=window.frame,
        count=1,
        samples=window.samples,
        template=loop_position(avatar.manifest, frame_id),
        ingest_ms=now_ms,
        deadline_ms=now_ms + TIMEOUT_S * 1000,
    )
    return [*window.appends, task]


@dataclass(slots=True)
class Single:
    """The requests for single mouths of one connection."""

    gateway: Gateway
    session: str
    _count: int = 0

    async def paint(self, avatar: Avatar, frame_id: int, pcm: bytes) -> Painted:
        """The mouth of template frame `frame_id` that says the middle of `pcm`.

        Raises
        ------
        AudioError
            The audio is too long or not PCM16.
        TaskError
            No worker has painted it in time; retryable.
        BusError
            Redis is unreachable or full.
        """
        began_s, bus = time.monotonic(), self.gateway.bus
        window = window_of(avatar.manifest, pcm)
        self._count += 1
        session = f"{self.session}-{self._count}"
        arrived: asyncio.Future[tuple[bytes, str]] = asyncio.get_running_loop().create_future()

        def deliver(_: int, found: dict[int, bytes], timings: str) -> None:
            if window.frame in found and not arrived.done():
                arrived.set_result((found[window.frame], timings))

        def give_up(_: int, frames: range) -> None:
            if window.frame in frames and not arrived.done():
                arrived.set_exception(TaskError("the workers cannot paint this frame; their log says why"))

        bus.attach(session, Listener(deliver, give_up, lambda: None))
        try:
            await self._begin(session, avatar, window, frame_id)
            message, timings = await self._await(session, window.frame, arrived)
        finally:
            bus.detach(session)
            await sessions.delete(bus.redis, session)
        header, picture = FrameHeader.unpack(message)
        painted = Painted(picture, header.bounds, (time.monotonic() - began_s) * 1000, parse_timings(timings))
        self._measure(painted, pcm)
        return painted

    def _measure(self, painted: Painted, pcm: bytes) -> None:
        metrics = self.gateway.metrics
        metrics.frames.labels("speech").inc()
        metrics.on_time.inc()
        self.gateway.hear(self.session, len(pcm) / BYTES_PER_SAMPLE / SAMPLE_RATE_HZ)
        metrics.latency.observe(painted.took_ms / 1000)
        metrics.observe_stages(painted.stages)

    async def _begin(self, session: str, avatar: Avatar, window: Window, frame_id: int) -> None:
        redis, now_s, ttl_s = self.gateway.bus.redis, time.time(), self.gateway.settings.session_ttl_s
        record = SessionRecord(
            avatar=avatar.name, gateway=self.gateway.bus.gateway_id, state="open", epoch=0, sample_rate=SAMPLE_RATE_HZ,
            fps=avatar.manifest.fps, created_at=now_s, last_seen=now_s,
        )  # fmt: skip
        await sessions.create(redis, session, record, ttl_s=ttl_s)
        address = Address(session, CROP_QUALITY, "patch")
        await self.gateway.bus.carry_out(address, actions_of(avatar, window, frame_id, steady_ms()))
        # The ring has no expiry of its own before this.
        await sessions.touch(redis, session, now_s, ttl_s=ttl_s)

    async def _await(self, session: str, frame: int, arrived: asyncio.Future[tuple[bytes, str]]) -> tuple[bytes, str]:
        deadline_s = time.monotonic() + TIMEOUT_S
        while time.monotonic() < deadline_s:
            await asyncio.wait([arrived], timeout=LOOK_AFTER_S)
            if arrived.done():
                return arrived.result()
            found = await self.gateway.bus.look(session, 0, [frame])
            if frame in found:
                return found[frame], ""
        self.gateway.metrics.late.inc()
        raise TaskError(f"no mouth within {TIMEOUT_S:.0f} s: the workers are busy or gone", retryable=True)
