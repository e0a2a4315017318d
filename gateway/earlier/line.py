"""The session behind `audio_chunk` and `get_frame`: speech fills a buffer of frames, which are taken one by one.

The frame buffer is the session's own outbox, so that the flow control of every session holds here too: audio waits
while as many frames as a session may have under way are unread. Three rules come on top:

* These protocols have no word for the end of an utterance. A session waits until the audio that came has been heard,
  then a pause; a client that has taken every frame and asks for more waits for the pause alone.
* A client that has stopped asking does not watch: the oldest frames go, so that on its return it sees the present.
* So much audio may wait (`BUFFER_CHUNKS`, as many as the earlier servers' ring held); more is refused.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from common import sessions
from common.avatars.package import Avatar
from common.clock import steady_ms
from common.errors import BusError, CapacityError
from common.media import BYTES_PER_SAMPLE
from common.records import SessionRecord
from common.tasks import stop
from gateway.actions import Action
from gateway.bus import LOOK_AFTER_S, Address, Listener
from gateway.context import Gateway
from gateway.earlier.messages import CHUNK_MS
from gateway.idle import no_picture
from gateway.metrics import parse_timings
from gateway.rules import SessionRules
from gateway.session import SessionCore
from gateway.totals import Counted, observe_rings

TICK_S: Final = 0.02
INTAKE_TURNS: Final = 10
"""Turns of the event loop in which what lies in a socket surely gets here: read, received, understood."""
AWAY_AFTER_S: Final = 5.0
BUFFER_CHUNKS: Final = 3_000
SLICE_CHUNKS: Final = 2
"""Long messages are fed in slices, so that flow control acts within one message."""


@dataclass(slots=True)
class Line:
    """One avatar's session behind a connection."""

    gateway: Gateway
    session: str
    avatar: Avatar
    sample_rate_hz: int
    fresh: asyncio.Event
    """Set whenever frames have come in."""
    core: SessionCore = field(init=False)
    dropped: int = 0
    closed: bool = False
    _waiting: deque[bytes] = field(default_factory=deque)
    _waiting_bytes: int = 0
    _actions: list[Action] = field(default_factory=list)
    _has_actions: asyncio.Event = field(default_factory=asyncio.Event)
    _asked_s: float | None = None
    _audio_s: float = 0.0
    _arrival_s: float = 0.0
    _counted: Counted = field(init=False)
    _told: int = 0

    def __post_init__(self) -> None:
        settings = self.gateway.settings
        self._counted = Counted(self.gateway.metrics)
        rules = SessionRules(
            sample_rate_hz=self.sample_rate_hz,
            in_flight_frames=settings.in_flight_frames,
            task_frames=settings.task_frames,
            deadline_ms=settings.frame_deadline_ms,
            flush_after_ms=settings.flush_after_ms,
            skip_after_ms=settings.skip_after_ms,
        )
        self.core = SessionCore(self.avatar.manifest, rules, no_picture)

    # what the client asks

    def audio(self, pcm: bytes) -> None:
        """Take PCM16.

        Raises
        ------
        CapacityError
            Too much audio waits already; nothing is taken.
        """
        limit = BUFFER_CHUNKS * self._chunk_bytes
        if self._waiting_bytes + len(pcm) > limit:
            seconds = BUFFER_CHUNKS * CHUNK_MS / 1000
            raise CapacityError(f"{seconds:.0f} s of audio wait already; ask for frames first", limit=BUFFER_CHUNKS)
        self._audio_s = time.monotonic()
        step = SLICE_CHUNKS * self._chunk_bytes
        self._waiting.extend(pcm[start : start + step] for start in range(0, len(pcm), step))
        self._waiting_bytes += len(pcm)
        self.gateway.hear(self.session, len(pcm) / BYTES_PER_SAMPLE / self.sample_rate_hz)
        self._go_on([])

    def take(self) -> bytes | None:
        """The next finished frame, header and picture; None while there is none."""
        self._asked_s = time.monotonic()
        if not self.core.outbox:
            return None
        message = self.core.outbox.popleft().message
        self.gateway.metrics.frames.labels("speech").inc()
        self._go_on([])
        assert isinstance(message, bytes)
        return message

    @property
    def frames_ready(self) -> int:
        return len(self.core.outbox)

    @property
    def chunks_waiting(self) -> int:
        """Audio that is in no task yet, in chunks of 40 ms."""
        waiting_ms = self._waiting_bytes / BYTES_PER_SAMPLE * 1000 / self.sample_rate_hz
        return int((waiting_ms + self.core.buffered_ms) / CHUNK_MS)

    def news(self) -> int:
        """Frames that have come in since the last call."""
        count, self._told = self.core.delivered - self._told, self.core.delivered
        return count

    # what goes on meanwhile

    async def run(self) -> None:
        """Keep the session until it is closed; its keys go with it.

        Raises
        ------
        BusError
            Redis is unreachable or full.
        """
        bus, settings = self.gateway.bus, self.gateway.settings
        await sessions.create(bus.redis, self.session, self._record(), ttl_s=settings.session_ttl_s)
        bus.attach(self.session, Listener(self._arrived, self._will_not_come, lambda: None))
        tasks = [asyncio.create_task(job()) for job in (self._write, self._tick, self._live)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            bus.detach(self.session)
            await stop(*tasks)
            await sessions.delete(bus.redis, self.session)

    async def _write(self) -> None:
        address = Address(self.session, self.gateway.settings.jpeg_quality)
        while True:
            await self._has_actions.wait()
            self._has_actions.clear()
            actions, self._actions = self._actions, []
            await self.gateway.bus.carry_out(address, actions)

    async def _tick(self) -> None:
        while not self.closed:
            await asyncio.sleep(TICK_S)
            if await _still(self._is_unwatched):
                self._drop_oldest()
            self._go_on(self.core.tick(_now_ms()))
            if await _still(self._has_paused):
                self._go_on(self.core.end(_now_ms()))
            missing = self.core.missing()
            if missing and time.monotonic() - self._arrival_s > LOOK_AFTER_S:
                self._arrival_s = time.monotonic()
                self._arrived(self.core.epoch, await self.gateway.bus.look(self.session, self.core.epoch, missing))

    async def _live(self) -> None:
        settings = self.gateway.settings
        while True:
            try:
                await sessions.touch(
                    self.gateway.bus.redis, self.session, time.time(), ttl_s=settings.session_ttl_s,
                    next_frame=self.core.delivered, concealed=self.core.concealed,
                )  # fmt: skip
            except BusError as error:
                await self.gateway.bus.note_outage(f"session {self.session}", error)
            observe_rings(self.gateway.metrics, self.core, settings)
            await asyncio.sleep(settings.heartbeat_s)

    def _arrived(self, epoch: int, found: dict[int, bytes], timings: str = "") -> None:
        if epoch != self.core.epoch:
            return
        self._arrival_s = time.monotonic()
        if timings:
            self.gateway.metrics.observe_stages(parse_timings(timings))
        self._go_on(self.core.arrived(found, _now_ms()))

    def _will_not_come(self, epoch: int, frames: range) -> None:
        if epoch == self.core.epoch:
            self._go_on(self.core.give_up(frames, _now_ms()))

    def _go_on(self, actions: Sequence[Action]) -> None:
        """Carry on with what the state machine wants, and feed it what it has room for."""
        self._actions.extend(actions)
        while True:
            # Of what a session tells its client only the pictures are for these.
            self.core.outbox = deque(item for item in self.core.outbox if isinstance(item.message, bytes))
            if not (self._waiting and self.core.has_room):
                break
            pcm = self._waiting.popleft()
            self._waiting_bytes -= len(pcm)
            self._actions.extend(self.core.audio(pcm, _now_ms()))
        if self._actions:
            self._has_actions.set()
        if self.core.delivered > self._told:
            self.fresh.set()
        self._counted.count(self.core)

    def _is_unwatched(self) -> bool:
        """Whether there is no room because the client has stopped asking."""
        is_away = self._asked_s is not None and time.monotonic() - self._asked_s > AWAY_AFTER_S
        return is_away and not self.core.has_room

    def _has_paused(self) -> bool:
        return self.core.segments.is_open and (self._is_dry() or self.core.has_paused(_now_ms()))

    def _is_dry(self) -> bool:
        """Whether the client has taken all there is and nothing has come for the length of a pause."""
        idle = self._asked_s is not None and not self._waiting and self.core.in_flight == 0
        return idle and (time.monotonic() - self._audio_s) * 1000 > self.gateway.settings.flush_after_ms

    def _drop_oldest(self) -> None:
        """Make room for what comes after."""
        while self.core.outbox and not self.core.has_room:
            self.core.outbox.popleft()
            self.dropped += 1
            self._go_on([])

    @property
    def _chunk_bytes(self) -> int:
        return self.sample_rate_hz * CHUNK_MS // 1000 * BYTES_PER_SAMPLE

    def _record(self) -> SessionRecord:
        now_s = time.time()
        return SessionRecord(
            avatar=self.avatar.name, gateway=self.gateway.bus.gateway_id, state="open", epoch=0,
            sample_rate=self.sample_rate_hz, fps=self.avatar.manifest.fps, created_at=now_s, last_seen=now_s,
        )  # fmt: skip


async def _still(is_silent: Callable[[], bool]) -> bool:
    """Whether the client is silent, at two looks.

    If we ourselves stood still, what it has said meanwhile is taken in between. That takes turns of the event loop, not
    time: a machine that stands still once stands still again.
    """
    if not is_silent():
        return False
    for _ in range(INTAKE_TURNS):
        await asyncio.sleep(0)
    return is_silent()


def _now_ms() -> float:
    return steady_ms()
