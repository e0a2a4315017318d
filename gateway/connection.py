"""A started session and its socket: carries messages between the client, the state machine and Redis.

The tasks share the state machine: the reader checks the client's messages, the taker feeds them in as there is room,
the writer carries actions to Redis in their order, the sender empties the outbox, the ticker tells the time. The first
that ends, ends the connection.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

from starlette.websockets import WebSocket

from common import sessions
from common.avatars.package import Avatar
from common.errors import InputError, ProtocolError
from common.media import BYTES_PER_SAMPLE
from common.tasks import stop
from gateway import messages
from gateway.actions import Action
from gateway.bus import Address
from gateway.context import Gateway
from gateway.idle import IdlePicture, no_picture
from gateway.intake import Intake
from gateway.messages import Start, dump
from gateway.metrics import SessionStats, parse_timings
from gateway.opening import record_of, rules_of, started
from gateway.samples import to_pcm16
from gateway.session import SessionCore
from gateway.template import template_jpeg
from gateway.wire import receive, report

TICK_S = 0.02
LOOK_AFTER_S = 0.25
"""A frame awaited for longer is looked for in the ring: its notice may be lost."""
SLICE_MS = 100
"""Long messages are taken in slices, so that flow control acts within one message."""


@dataclass(slots=True)
class Connection:
    """A started session and its socket."""

    websocket: WebSocket
    gateway: Gateway
    session: str
    avatar: Avatar
    start: Start
    quality: int
    core: SessionCore = field(init=False)
    intake: Intake = field(init=False)
    stats: SessionStats = field(default_factory=SessionStats)
    _actions: list[Action] = field(default_factory=list)
    _has_actions: asyncio.Event = field(default_factory=asyncio.Event)
    _has_output: asyncio.Event = field(default_factory=asyncio.Event)
    _has_room: asyncio.Event = field(default_factory=asyncio.Event)
    _ending: bool = False
    _ended: bool = False
    _sent: int = 0
    _concealed_seen: int = 0
    _last_arrival_s: float = 0.0

    def __post_init__(self) -> None:
        self.intake = Intake(self.gateway.settings.intake_bytes)
        rules = rules_of(self.gateway.settings, self.start)
        self.core = SessionCore(self.avatar.manifest, rules, self._idle_picture(self.avatar))
        self._wake()

    async def run(self) -> None:
        """Serve the session until it ends; its keys go with it."""
        redis, settings, bus = self.gateway.bus.redis, self.gateway.settings, self.gateway.bus
        record = record_of(self.avatar, self.start, bus.gateway_id, time.time())
        await sessions.create(redis, self.session, record, ttl_s=settings.session_ttl_s)
        bus.attach(self.session, self._arrived)
        jobs = (self._read, self._take, self._write, self._send, self._tick, self._tell)
        tasks = [asyncio.create_task(job()) for job in jobs]
        try:
            await self.websocket.send_text(started(self.session, self.avatar, self.start))
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            bus.detach(self.session)
            await stop(*tasks)
            await sessions.delete(redis, self.session)

    # the tasks

    async def _read(self) -> None:
        """Check what the client sends, and lay it in for `_take`; a barge-in and a ping act at once."""
        while True:
            message = await receive(self.websocket)
            try:
                item = self._checked_audio(message) if isinstance(message, bytes) else self._checked_command(message)
                await self._lay_in(item)
            except InputError as error:
                await report(self.websocket, self.gateway.metrics, error)

    async def _lay_in(self, item: bytes | messages.ClientMessage) -> None:
        match item:
            case messages.Clear(shown=shown):
                self.intake.clear()
                self._do(self.core.clear(shown))
                # There is room at once, unless the client reads none of the answers.
                await self._has_room.wait()
            case messages.Ping():
                await self.websocket.send_text(
                    dump("pong", **item.model_dump(include={"id"}, exclude_none=True), server_ms=_now_ms())
                )
            case messages.Switch(avatar=name):
                await self.intake.put(self._checked_avatar(name))
            case _:
                await self.intake.put(item)

    async def _take(self) -> None:
        """Feed the session, as fast as it has room."""
        step = max(1, self.start.sample_rate * SLICE_MS // 1000) * BYTES_PER_SAMPLE
        while True:
            await self._has_room.wait()
            match await self.intake.get():
                case bytes() as audio:
                    epoch = self.core.epoch
                    for position in range(0, len(audio), step):
                        await self._has_room.wait()
                        if epoch != self.core.epoch:
                            break
                        self._do(self.core.audio(audio[position : position + step], _now_ms()))
                case messages.Begin(template=template):
                    self.core.begin(template)
                case messages.Flush():
                    self._do(self.core.flush(_now_ms()))
                case Avatar() as avatar:
                    await self._switch(avatar)
                case messages.End():
                    self._ended = True
                    self._do(self.core.end(_now_ms()))

    async def _switch(self, avatar: Avatar) -> None:
        if self.start.idle == "server" and self.start.output == "frame":
            await asyncio.to_thread(template_jpeg, avatar, 0, self.quality)
        self.avatar = avatar
        self._do(self.core.switch(avatar.manifest, self._idle_picture(avatar), _now_ms()))

    async def _write(self) -> None:
        address = Address(self.session, self.quality, self.start.output)
        while True:
            await self._has_actions.wait()
            self._has_actions.clear()
            actions, self._actions = self._actions, []
            await self.gateway.bus.carry_out(address, actions)

    async def _send(self) -> None:
        while not (self._ended and self.core.drained):
            await self._has_output.wait()
            self._has_output.clear()
            while self.core.outbox:
                item = self.core.outbox.popleft()
                if isinstance(item.message, str):
                    await self.websocket.send_text(item.message)
                else:
                    await self.websocket.send_bytes(item.message)
                    self._count(item.ready_ms)
                self._wake()
        await self.websocket.send_text(dump("ended", frames=self.core.delivered, concealed=self.core.concealed))
        await self.websocket.close(1000)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self._do(self.core.tick(_now_ms()))
            missing = self.core.missing()
            if missing and time.monotonic() - self._last_arrival_s > LOOK_AFTER_S:
                self._last_arrival_s = time.monotonic()
                self._arrived(self.core.epoch, await self.gateway.bus.look(self.session, self.core.epoch, missing))

    async def _tell(self) -> None:
        settings, redis = self.gateway.settings, self.gateway.bus.redis
        sent, touched_s = 0, time.monotonic()
        while True:
            await asyncio.sleep(settings.stats_interval_s)
            if self._sent != sent:
                sent = self._sent
                await self.websocket.send_text(self._stats())
            if time.monotonic() - touched_s >= settings.heartbeat_s:
                touched_s = time.monotonic()
                await sessions.touch(
                    redis, self.session, time.time(), ttl_s=settings.session_ttl_s,
                    avatar=self.avatar.name, next_frame=self.core.delivered, concealed=self.core.concealed,
                )  # fmt: skip

    # what they do

    def _checked_audio(self, audio: bytes) -> bytes:
        limit = self.gateway.settings.message_max_bytes
        if self._ending:
            raise ProtocolError("no audio may follow `end`")
        if len(audio) > limit:
            raise ProtocolError(f"a message of {len(audio)} bytes is too long", field="audio", limit=limit)
        pcm = to_pcm16(audio, self.start.format)
        self.gateway.metrics.audio_seconds.inc(len(pcm) / BYTES_PER_SAMPLE / self.start.sample_rate)
        return pcm

    def _checked_command(self, text: str) -> messages.ClientMessage:
        command = messages.parse(text)
        if isinstance(command, messages.Start):
            raise ProtocolError("the session has started already", field="type")
        if self._ending and not isinstance(command, messages.Clear | messages.Ping):
            raise ProtocolError("only `clear` and `ping` may follow `end`", field="type")
        self._ending |= isinstance(command, messages.End)
        return command

    def _checked_avatar(self, name: str) -> Avatar:
        """The avatar of a `switch`; the session has one media clock, so it must keep the frame rate."""
        avatar, fps = self.gateway.avatars.get(name), self.avatar.manifest.fps
        if avatar is not None and avatar.manifest.fps != fps:
            message = f"avatar '{name}' has {avatar.manifest.fps} frames a second, the session {fps}"
            raise InputError(f"{message}; open another session for it", field="avatar", limit=fps)
        return self.gateway.use(self.session, name)

    def _arrived(self, epoch: int, found: dict[int, bytes], timings: str = "") -> None:
        if epoch != self.core.epoch:
            return
        self._last_arrival_s = time.monotonic()
        if timings:
            self.stats.stages = parse_timings(timings)
            self.gateway.metrics.observe_stages(self.stats.stages)
        self._do(self.core.arrived(found, _now_ms()))

    def _do(self, actions: Sequence[Action]) -> None:
        self._actions.extend(actions)
        self._wake()

    def _wake(self) -> None:
        """Let the other tasks see what the state machine has become."""
        if self._actions:
            self._has_actions.set()
        if self.core.outbox or (self._ended and self.core.drained):
            self._has_output.set()
        if self.core.has_room:
            self._has_room.set()
        else:
            self._has_room.clear()

    def _count(self, ready_ms: float | None) -> None:
        metrics = self.gateway.metrics
        metrics.frames.labels("idle" if ready_ms is None else "speech").inc()
        self._sent += 1
        if ready_ms is not None:
            latency_ms = _now_ms() - ready_ms
            metrics.latency.observe(latency_ms / 1000)
            self.stats.latencies_ms.append(latency_ms)
        # A barge-in takes back frames that were concealed and not sent.
        metrics.concealed.inc(max(0, self.core.concealed - self._concealed_seen))
        self._concealed_seen = self.core.concealed

    def _idle_picture(self, avatar: Avatar) -> IdlePicture:
        return no_picture if self.start.output == "patch" else partial(template_jpeg, avatar, quality=self.quality)

    def _stats(self) -> str:
        waiting_ms = self.intake.waiting_bytes / BYTES_PER_SAMPLE * 1000 / self.start.sample_rate
        return dump(
            "stats", frames=self.core.delivered, concealed=self.core.concealed, in_flight=self.core.in_flight,
            buffered_ms=round(self.core.buffered_ms + waiting_ms, 1), latency_ms=self.stats.latency(),
            stages=self.stats.stage_table(),
        )  # fmt: skip


def _now_ms() -> float:
    return time.time() * 1000
