"""One simulated client, and the gateway's own state machine for it."""

from collections.abc import Iterable
from functools import partial
from typing import Final, NamedTuple

from simpy import Event

from bench.simulation.world import Process, World, then
from cli.plan.coefficients import Stage
from common.frames import Flag, FrameHeader, flags_of
from gateway.actions import Action, Publish
from gateway.idle import no_picture
from gateway.messages import Start
from gateway.opening import rules_of
from gateway.session import SessionCore

TICK_MS: Final = 20.0
RATE_HZ: Final = 16_000
FULL_MS: Final = 1.0
"""How soon a gateway sees that a session has room again."""


class Work(NamedTuple):
    """A task on a stream."""

    session: "Session"
    publish: Publish
    written_ms: float


class Session:
    """One client: the chunks that it sends, and the gateway's state machine for it."""

    def __init__(self, world: World, number: int) -> None:
        self.world = world
        self.gateway = number % world.scene.gateways
        self.thread = world.gateways[self.gateway]
        start = Start(type="start", sample_rate=RATE_HZ, pace=world.scene.pace)
        self.core = SessionCore(world.manifest, rules_of(world.settings, start), no_picture)
        self.chunk = b"\0\0" * round(RATE_HZ * world.scene.chunk_ms / 1000)
        self._seen = (0, 0)

    def start(self, delay_ms: float) -> None:
        sends = self._speak if self.world.scene.pace == "live" else self._pour
        self.world.env.process(sends(delay_ms))
        self.world.env.process(self._tick())

    def _speak(self, delay_ms: float) -> Process:
        """Speech and silence by turns, from a moment anywhere in them; a microphone waits for nobody."""
        world, scene = self.world, self.world.scene
        yield world.wait(delay_ms)
        silent = world.random.random() * (scene.utterance_ms + scene.pause_ms) < scene.pause_ms
        while True:
            if silent:
                yield world.wait(world.random.expovariate(1 / scene.pause_ms))
            until_ms = float("inf")
            if scene.pause_ms:
                until_ms = world.env.now + world.random.expovariate(1 / scene.utterance_ms)
                silent = True
            due_ms = world.env.now
            while due_ms < until_ms:
                self._send()
                due_ms += scene.chunk_ms
                yield world.wait(due_ms - world.env.now)

    def _pour(self, delay_ms: float) -> Process:
        """All that the server takes; while it has no room its socket is left alone."""
        yield self.world.wait(delay_ms)
        while True:
            if self.core.has_room:
                heard = self._send()
                yield heard
            else:
                yield self.world.wait(FULL_MS)

    def _send(self) -> Event:
        """A message: by the client to the gateway, from there to Redis; what it makes ready goes the same way."""
        costs, world = self.world.measurement.costs, self.world
        heard = Event(world.env)

        def hear() -> None:
            world.redis.run(world.spread(costs["redis"].message_ms * world.scene.redis_share))
            self._do(self.core.audio(self.chunk, world.env.now))
            heard.succeed()

        sent = self._client_work(costs["client"].message_ms)
        then(sent, lambda: then(self.thread.run(world.spread(costs["gateway"].message_ms)), hear))
        return heard

    def _tick(self) -> Process:
        while True:
            yield self.world.wait(TICK_MS)
            if self.core.has_paused(self.world.env.now):
                self._do(self.core.end(self.world.env.now))
            self._do(self.core.tick(self.world.env.now))

    def arrived(self, publish: Publish) -> None:
        """A task's frames are at the gateway."""
        messages = {publish.first + k: _message(publish.epoch, publish.first + k) for k in range(publish.count)}
        self._do(self.core.arrived(messages, self.world.env.now))

    def _do(self, actions: Iterable[Action]) -> None:
        """Tasks go to the first stage, frames to the client."""
        for action in actions:
            if isinstance(action, Publish):
                written = self.world.visit_redis(1, action.count)
                then(written, partial(put, self.world, "audio", self, action))
        while self.core.outbox:
            item = self.core.outbox.popleft()
            if isinstance(item.message, bytes):
                self._count(item.message, item.ready_ms)
        concealed, skipped = self.core.concealed, self.core.skipped
        if self.world.warm:
            self.world.record.concealed += concealed - self._seen[0]
            self.world.record.skipped += skipped - self._seen[1]
        self._seen = concealed, skipped

    def _count(self, message: bytes, ready_ms: float | None) -> None:
        self._client_work(self.world.measurement.costs["client"].of(0, 1))
        if self.world.warm and not flags_of(message) & Flag.CONCEALED:
            self.world.record.painted += 1
            if ready_ms is not None:
                self.world.record.latencies_ms.append(self.world.env.now - ready_ms)

    def _client_work(self, work_ms: float) -> Event:
        """On the same machine it takes its share; elsewhere it is nobody's business."""
        world = self.world
        return world.client.run(world.spread(work_ms)) if world.cores else world.wait(0)

    def deliver(self, publish: Publish) -> Event:
        """The gateway's part in a task: to send it off, to hear of it, to send its pictures."""
        cost = self.world.measurement.costs["gateway"]
        return self.thread.run(self.world.spread(cost.of(1, publish.count)))


def put(world: World, stage: Stage, session: Session, publish: Publish) -> None:
    world.streams[stage].put(Work(session, publish, world.env.now))


def _message(epoch: int, frame: int) -> bytes:
    return FrameHeader(epoch, frame, 0, 0, (0, 0, 1, 1)).pack(b"")
