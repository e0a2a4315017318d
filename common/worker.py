"""The worker loop, written once: read and reclaim, check, process in a thread, publish, then acknowledge.

Every delivery comes to exactly one of four ends: finished (published, acknowledged, deleted), dropped (nobody wants it
any more: older epoch, session gone, deadline passed), given up (to the dead letters, and its gateway is told), or left
for another try: handed back for anybody to take at once, or, by a worker that dies, to be reclaimed when idle for long.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from redis.asyncio import Redis

from common import heartbeat, keys, payloads, sessions
from common.clock import RedisClock, written_ms
from common.contracts import Task
from common.errors import AccessError, BusError, LipstreamError, TaskError
from common.hold import Hold
from common.jobs import Job
from common.logging import about, task_of
from common.publish import say_lost
from common.redis_client import relearn
from common.settings import Settings
from common.stage import Delivery, Outcome, Stage, left_ms, onward
from common.streams import Entry, WorkStream
from common.tasks import stop
from common.telemetry import State, WorkerMetrics

log = logging.getLogger(__name__)

BACK_OFF_S = (0.1, 0.2, 0.5)
GRACE_S = 10.0
"""Beyond the longest work, before a worker whose loop stands still counts as dead."""
LOOKS_PER_IDLE = 5
"""How often a worker looks for the tasks of dead ones, while one becomes idle enough: adds a fifth to the stall."""


@dataclass(slots=True)
class Counters:
    """What a worker has done since it started; its heartbeat shows them.

    `work_ms` is the stage's function alone; `busy_ms` is all the time in which there were tasks in hand.
    """

    tasks: int = 0
    frames: int = 0
    dropped: int = 0
    retried: int = 0
    dead: int = 0
    work_ms: float = 0.0
    busy_ms: float = 0.0


@dataclass(slots=True)
class Worker:
    """One consumer of a stage's stream."""

    stage: Stage
    redis: Redis
    settings: Settings
    worker_id: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    counters: Counters = field(default_factory=Counters)
    clock: RedisClock = field(init=False)
    metrics: WorkerMetrics = field(init=False)
    _hold: Hold = field(init=False)
    _failures: int = 0
    _stepped_s: float = field(default_factory=time.monotonic)
    _busy: bool = False
    _next_look_s: float = 0.0

    def __post_init__(self) -> None:
        self.clock = RedisClock(self.redis)
        self._hold = Hold(self.stage, self.work, self.settings)
        self.metrics = WorkerMetrics(self.stage.name, lambda: asdict(self.counters))
        for load in self.stage.loads:
            self.metrics.load.labels(load.avatar, load.provider).observe(load.seconds)

    @property
    def work(self) -> WorkStream:
        return WorkStream(self.redis, self.stage.stream, self.worker_id)

    @property
    def _key(self) -> str:
        return keys.worker(self.stage.name, self.worker_id)

    @property
    def _batch_max(self) -> int:
        return min(self.settings.batch_max, self.stage.batch_max or self.settings.batch_max)

    def _facts(self) -> dict[str, str | int | float]:
        return {"avatars": ",".join(self.stage.avatars), **asdict(self.counters)}

    def state(self) -> State:
        """It lives while its loop turns or a model is allowed to take its time; it is ready while Redis answers."""
        lives = time.monotonic() - self._stepped_s < self.settings.work_max_s + GRACE_S
        return State(lives, lives and not self._failures and not self.stopping.is_set())

    async def run(self) -> None:
        """Work until `stopping` is set; the batch in hand is finished first, what is not begun is handed back.

        Raises
        ------
        AccessError
            Redis does not let us do a worker's work. Of one that did before nothing is raised.
        """
        beat = asyncio.create_task(heartbeat.beat(self.redis, self._key, self._facts, self.settings.heartbeat_s))
        try:
            while not self.stopping.is_set():
                try:
                    if self._failures or self._next_look_s == 0.0:
                        await self.work.ensure_group()
                        await self.work.sweep()
                    await self.step()
                    self._failures = 0
                except BusError as error:
                    if isinstance(error, AccessError) and self._next_look_s == 0.0:
                        raise  # it was never let in
                    pause_s = BACK_OFF_S[min(self._failures, len(BACK_OFF_S) - 1)]
                    self._failures += 1
                    log.warning("%s; next try in %.1f s", error, pause_s)
                    await relearn(self.redis)
                    await self._sleep(pause_s)
            await self._leave(beat)
        finally:
            self._hold.end()
            await stop(beat)

    async def step(self) -> int:
        """One round of the loop; the number of tasks that were finished."""
        deliveries = await self._reclaimed() or await self._read()
        self._stepped_s = begun_s = time.monotonic()
        try:
            return await self._handle(deliveries)
        finally:
            self.counters.busy_ms += (time.monotonic() - begun_s) * 1000

    async def _handle(self, deliveries: Sequence[Delivery]) -> int:
        finished = await self._work(await self._wanted(deliveries))
        await self._finish(finished)
        return len(finished)

    async def _work(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Fetch, process, publish: the deliveries whose results are published."""
        if not deliveries:
            return []
        try:
            outcomes = await self._hold.still_ours(await self._process(await self._jobs(deliveries)))
            if outcomes:
                with self.metrics.publish.time():
                    await self.stage.publish(self.redis, outcomes)
        except BusError:
            raise
        except Exception as error:
            if len(deliveries) > 1:
                # Find those at fault, so that one bad task costs nobody else anything.
                return [done for each in deliveries for done in await self._work([each])]
            await self._failed(deliveries[0], error)
            return []
        return [outcome.delivery for outcome in outcomes]

    async def _read(self) -> list[Delivery]:
        asked_s = time.monotonic()
        until_look_ms = round((self._next_look_s - asked_s) * 1000)
        entries = await self.work.read(self._batch_max, max(1, min(self.settings.block_ms, until_look_ms)))
        room = self._batch_max - len(entries)
        if entries and room and self._busy and self.stage.max_wait_ms:
            # A busy worker gains from a fuller batch; an idle one never waits.
            await asyncio.sleep(self.stage.max_wait_ms / 1000)
            entries += await self.work.read(room, None)
        self._busy = bool(entries)
        self._hold.kept_s = asked_s
        return await self._parse([(entry, 1) for entry in entries])

    async def _reclaimed(self) -> list[Delivery]:
        idle_ms, now_s = self.settings.reclaim_idle_ms, time.monotonic()
        if now_s < self._next_look_s:
            return []
        entries = await self.work.reclaim(idle_ms, self._batch_max)
        self._hold.kept_s = now_s
        # Who finds something looks for more at once.
        self._next_look_s = now_s if entries else now_s + idle_ms / LOOKS_PER_IDLE / 1000
        self.counters.retried += len(entries)
        return await self._parse(entries)

    async def _parse(self, entries: Sequence[tuple[Entry, int]]) -> list[Delivery]:
        deliveries = []
        for entry, attempts in entries:
            fields, carried = payloads.split(entry[1])
            try:
                if attempts > self.settings.max_attempts:
                    raise TaskError(f"its worker died or hung in each of {attempts - 1} deliveries")
                deliveries.append(Delivery(entry[0], Task.from_fields(fields), carried, attempts))
            except TaskError as error:
                await self._give_up(entry, str(error))
        return deliveries

    async def _wanted(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """The deliveries that somebody still waits for, earliest deadline first; the others are dropped."""
        if not deliveries:
            return []
        epochs = await sessions.epochs(self.redis, [d.task.session for d in deliveries])
        now_ms = await self.clock.now_ms()
        wanted, dropped = [], []
        for delivery in deliveries:
            epoch = epochs[delivery.task.session]
            # Of a newer epoch than Redis knows are the tasks of a barge-in that it has forgotten.
            if epoch is None or delivery.task.epoch < epoch:
                dropped.append(delivery)
            elif left_ms(delivery, now_ms) >= 0:
                wanted.append(delivery)
            elif delivery.attempts == 1:
                dropped.append(delivery)
            else:
                await self._give_up_delivery(delivery, f"its deadline has passed in {delivery.attempts - 1} deliveries")
        self.counters.dropped += len(dropped)
        await self._finish(dropped)
        return sorted(wanted, key=lambda d: left_ms(d, now_ms))

    async def _jobs(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Job]]:
        found = await self.stage.fetch(self.redis, deliveries)
        if None in found:
            raise TaskError("its payload has expired")
        return [(d, Job(d.task, payload)) for d, payload in zip(deliveries, found, strict=True) if payload is not None]

    async def _process(self, jobs: Sequence[tuple[Delivery, Job]]) -> list[Outcome]:
        """Run the stage's function, and count what it took."""
        started_ms = await self.clock.now_ms()
        results = await self._hold.process(jobs)
        finished_ms = await self.clock.now_ms()
        work_ms = finished_ms - started_ms
        self.counters.tasks += len(jobs)
        self.counters.frames += sum(job.task.count for _, job in jobs)
        self.counters.work_ms += work_ms
        self.metrics.batch.observe(len(jobs))
        self.metrics.work.observe(work_ms / 1000)
        for delivery, _ in jobs:
            self.metrics.wait.observe(max(0.0, started_ms - written_ms(delivery.entry_id)) / 1000)
        return [
            Outcome(delivery, onward(self.stage.name, delivery, started_ms, finished_ms), result)
            for (delivery, _), result in zip(jobs, results, strict=True)
        ]

    async def _failed(self, delivery: Delivery, error: Exception) -> None:
        """Let the task be tried again, soon and by anybody, unless that cannot help."""
        if not await self.work.holds(delivery.entry_id):
            return  # another worker has finished it meanwhile
        text = str(error) if isinstance(error, LipstreamError) else f"{type(error).__name__}: {error}"
        retryable = error.retryable if isinstance(error, LipstreamError) else True
        if not retryable or delivery.attempts >= self.settings.max_attempts:
            await self._give_up_delivery(delivery, text)
            return
        task, unforeseen = delivery.task, None if isinstance(error, LipstreamError) else error
        with about(session=task.session, epoch=task.epoch, frame=task.first):
            log.warning("%s: %s (delivery %d)", self.stage.name, text, delivery.attempts, exc_info=unforeseen)
        # Nobody finds it before the next look, so that what must still come has a moment.
        await self.work.hand_back(
            [delivery.entry_id], self.settings.reclaim_idle_ms * (LOOKS_PER_IDLE - 1) // LOOKS_PER_IDLE
        )

    async def _finish(self, deliveries: Sequence[Delivery]) -> None:
        await self.work.finish([d.entry_id for d in deliveries], payloads.blobs_of(deliveries))

    async def _give_up_delivery(self, delivery: Delivery, reason: str) -> None:
        fields = {k.encode(): v.encode() for k, v in delivery.task.to_fields().items()}
        await self._give_up((delivery.entry_id, fields | delivery.fields), reason)

    async def _give_up(self, entry: Entry, reason: str) -> None:
        self.counters.dead += 1
        with about(**task_of(entry[1])):
            log.error("stage %s gives up %s: %s", self.stage.name, entry[0].decode(), reason)
        await self.work.bury(self.stage.name, entry, reason)
        await say_lost(self.redis, entry[1], f"{self.stage.name}: {reason}", self.settings)
        await self.work.finish([entry[0]])

    async def _leave(self, beat: asyncio.Task[None]) -> None:
        try:
            await self.work.leave(self.settings.reclaim_idle_ms)
            await stop(beat)  # or it would beat once more
            await heartbeat.stop(self.redis, self._key)
        except BusError as error:
            log.warning("left without a word: %s", error)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return
