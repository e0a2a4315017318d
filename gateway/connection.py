"""A started session and its socket: carries messages between the client, the state machine and Redis.

The tasks share the state machine: the reader checks the client's messages, the taker feeds them in as there is room,
the writer carries actions to Redis in their order, the sender empties the outbox, the ticker tells the time. The first
that ends, ends the connection.
"""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from common.avatars.package import Avatar
from common.clock import steady_ms
from common.errors import BusError
from common.media import BYTES_PER_SAMPLE
from common.records import SessionRecord
from common.tasks import stop
from gateway import messages
from gateway.actions import Action, Append, Publish
from gateway.bus import LOOK_AFTER_S, Address, Listener
from gateway.context import Gateway
from gateway.idle import IdlePicture, no_picture
from gateway.intake import Intake
from gateway.keeping import Keeping
from gateway.messages import Start, dump
from gateway.open_sessions import SessionLostError, SessionMovedError
from gateway.opening import ResumeTicket, record_of, resumed, rules_of, started
from gateway.reader import Reader
from gateway.recording import Recording
from gateway.revival import Revival
from gateway.segmenter import Heard
from gateway.session import SessionCore
from gateway.tally import Tally
from gateway.template import template_jpeg
from gateway.totals import observe_rings
from gateway.writing import Writing

TICK_S = 0.02
LAST_WORDS_S = 1.0
GOODBYE_S = 1.0
LEFT = (1000, 1001)
"""Close codes of a client that does not mean to come back."""
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
    ticket: ResumeTicket
    revival: Revival | None = None
    core: SessionCore = field(init=False)
    intake: Intake = field(init=False)
    tally: Tally = field(init=False)
    _actions: list[Action] = field(default_factory=list)
    _has_actions: asyncio.Event = field(default_factory=asyncio.Event)
    _has_output: asyncio.Event = field(default_factory=asyncio.Event)
    _has_room: asyncio.Event = field(default_factory=asyncio.Event)
    _ended: bool = False
    _last_arrival_s: float = 0.0
    _reader: Reader = field(init=False)
    _recording: Recording = field(init=False)
    _fate: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def __post_init__(self) -> None:
        self.intake, self.tally = Intake(self.gateway.settings.intake_bytes), Tally(self.gateway.metrics)
        rules = rules_of(self.gateway.settings, self.start)
        self.core = SessionCore(self.avatar.manifest, rules, self._idle_picture())
        self._recording = Recording(self.gateway, self.session)
        self._reader = Reader(
            self.websocket, self.gateway, self.session, self.start.format, self.start.sample_rate,
            self.avatar.manifest.fps, self.intake, self._recording, self._interrupt,
        )  # fmt: skip
        self._wake()

    async def run(self) -> None:
        """Serve the session until it ends; its keys go with it, unless its client was cut off and may come back."""
        bus = self.gateway.bus
        bus.attach(self.session, Listener(self._arrived, self._will_not_come, self._moved))
        tasks: list[asyncio.Task[None]] = []
        comes_back = is_lost = False
        try:
            await self.websocket.send_text(await self._opened())
            reader = asyncio.create_task(self._reader.run())
            jobs = (self._take, self._write, self._send, self._tick, self._tell, self._watch)
            tasks += [reader, *(asyncio.create_task(job()) for job in jobs)]
            done, _ = await asyncio.wait([self._fate, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if isinstance(task.exception(), WebSocketDisconnect | WebSocketDisconnected):
                    await _goodbye(reader)
                task.result()
        except SessionLostError:
            is_lost = True
            raise
        except (SessionMovedError, BusError, WebSocketDisconnected):
            comes_back = True
            raise
        except WebSocketDisconnect as gone:
            comes_back = gone.code not in LEFT
            raise
        finally:
            bus.detach(self.session)
            await stop(*tasks)
            self.tally.counted.count(self.core)
            self._recording.close("lost" if is_lost else "cut off" if comes_back else "over")
            await (self._start_over() if is_lost else self._keeping.part(comes_back=comes_back))

    async def _opened(self) -> str:
        """Write the session down, or go on with it; what its client is told."""
        bus = self.gateway.bus
        if self.revival is None:
            await self._keeping.open(self._record())
            await self._recording.begin(self.avatar, self.start, self._record(), self.core, [])
            return started(self.session, self.avatar, self.start, self.ticket)
        self.core.go_on(self.revival, _now_ms())
        self.tally.counted.go_on(self.core)
        self._reader.heard = self.core.heard
        await self._recording.begin(self.avatar, self.start, self._record(), self.core, self.revival.segments)
        shown = self.gateway.avatars[self.core.manifest.name]
        answer = resumed(self.session, shown, self.start, self.ticket, self.core)
        self.core.found(await bus.look(self.session, self.core.epoch, self.core.owed()), _now_ms())
        self._do(self.core.tick(_now_ms()))
        return answer

    async def _start_over(self) -> None:
        """Redis has lost the session: its client gets what is ready, and may go on from there."""
        checkpoint = self.core.lost()
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError):
            async with asyncio.timeout(LAST_WORDS_S):
                while self.core.outbox:
                    await self._send_next()
        await self._keeping.give_back(self._record().model_copy(update=checkpoint.model_dump()))

    # the tasks

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
        self._do(self.core.switch(avatar.manifest, _now_ms()))

    async def _write(self) -> None:
        writing = Writing(self.gateway.bus, Address(self.session, self.quality, self.start.output))
        while True:
            await self._has_actions.wait()
            self._has_actions.clear()
            actions, self._actions = self._actions, []
            await writing.write(actions)

    async def _send(self) -> None:
        while not (self._ended and self.core.drained):
            await self._has_output.wait()
            self._has_output.clear()
            while self.core.outbox:
                await self._send_next()
                self._wake()
        await self.websocket.send_text(dump("ended", frames=self.core.delivered, concealed=self.core.concealed))
        await self.websocket.close(1000)

    async def _send_next(self) -> None:
        item = self.core.outbox.popleft()
        if isinstance(item.message, str):
            await self.websocket.send_text(item.message)
        else:
            await self.websocket.send_bytes(item.message)
            self._recording.sent(item)
            self.tally.frame(item.ready_ms, _now_ms(), self.core)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            await self._recording.report(self.websocket)
            # Twice: if we ourselves stood still, what the client has said meanwhile is taken in between.
            if self.core.has_paused(_now_ms()) and await self._keeping.is_ours() and self.core.has_paused(_now_ms()):
                self._recording.heard("pause", self.core.heard)
                self._do(self.core.end(_now_ms()))
            self._do(self.core.tick(_now_ms()))
            missing = self.core.missing()
            if missing and time.monotonic() - self._last_arrival_s > LOOK_AFTER_S:
                self._last_arrival_s = time.monotonic()
                self._arrived(self.core.epoch, await self.gateway.bus.look(self.session, self.core.epoch, missing))

    async def _tell(self) -> None:
        sent = 0
        while True:
            await asyncio.sleep(self.gateway.settings.stats_interval_s)
            # Not with the frames sent alone: none is while a stage stands still.
            self.tally.counted.count(self.core)
            observe_rings(self.gateway.metrics, self.core, self.gateway.settings)
            if self.tally.sent != sent:
                sent = self.tally.sent
                waiting_ms = self.intake.waiting_bytes / BYTES_PER_SAMPLE * 1000 / self.start.sample_rate
                await self.websocket.send_text(self.tally.message(self.core, waiting_ms))

    async def _watch(self) -> None:
        await self._keeping.watch(
            lambda: {
                "avatar": self.avatar.name, "next_frame": self.core.delivered, "concealed": self.core.concealed,
            }
        )  # fmt: skip

    # what they do

    async def _interrupt(self, shown: int | None, heard: Heard) -> None:
        # What Redis has not got yet is void too, and could pile up while it is away.
        self._actions = [action for action in self._actions if not isinstance(action, Append | Publish)]
        self._do(self.core.clear(shown, heard))
        # There is room at once, unless the client reads none of the answers.
        await self._has_room.wait()

    def _arrived(self, epoch: int, found: dict[int, bytes], timings: str = "") -> None:
        if epoch != self.core.epoch:
            return
        self._last_arrival_s = time.monotonic()
        if timings:
            self.tally.passed(timings)
        self._do(self.core.arrived(found, _now_ms()))

    def _will_not_come(self, epoch: int, frames: range) -> None:
        if epoch == self.core.epoch:
            self._do(self.core.give_up(frames, _now_ms()))

    def _moved(self) -> None:
        if not self._fate.done():
            self._fate.set_exception(SessionMovedError("the session goes on over another connection"))

    @property
    def _keeping(self) -> Keeping:
        return Keeping(self.gateway.bus, self.gateway.settings, self.session)

    def _record(self) -> SessionRecord:
        return record_of(self.avatar, self.start, self.quality, self.gateway.bus.gateway_id, time.time())

    def _do(self, actions: Sequence[Action]) -> None:
        self._recording.done(self.core.epoch, actions)
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

    def _idle_picture(self) -> IdlePicture:
        if self.start.output == "patch":
            return no_picture
        return lambda name, index: template_jpeg(self.gateway.avatars[name], index, self.quality)


async def _goodbye(reader: asyncio.Task[None]) -> None:
    """A message that could not be sent says only that the client has gone; the reader hears whether it said goodbye."""
    await asyncio.wait([reader], timeout=GOODBYE_S)
    if reader.done():
        reader.result()


def _now_ms() -> float:
    return steady_ms()
