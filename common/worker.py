"""The worker loop, written once: read and reclaim, check, process in a thread, publish, then acknowledge.

Every delivery comes to exactly one of four ends: finished (published, acknowledged, deleted), dropped (nobody wants it
any more: older epoch, session gone, deadline passed), given up (to the dead letters), or left pending for a later try.
"""

import asyncio
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import uvloop
from redis import exceptions
from redis.asyncio import Redis

from common import heartbeat, keys, payloads, sessions
from common.contracts import Task
from common.errors import BusError, LipstreamError, TaskError
from common.jobs import Job
from common.redis_client import check_server, connect
from common.settings import Settings
from common.stage import Delivery, Outcome, Stage
from common.streams import Entry, WorkStream
from common.tasks import stop

log = logging.getLogger(__name__)

BACK_OFF_S = (0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(slots=True)
class Counters:
    """What a worker has done since it started; its heartbeat shows them."""

    tasks: int = 0
    frames: int = 0
    dropped: int = 0
    retried: int = 0
    dead: int = 0
    work_ms: float = 0.0


@dataclass(slots=True)
class Worker:
    """One consumer of a stage's stream."""

    stage: Stage
    redis: Redis
    settings: Settings
    worker_id: str = field(default_factory=lambda: f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:6]}")
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    counters: Counters = field(default_factory=Counters)
    _busy: bool = False
    _next_reclaim_s: float = 0.0

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

    async def run(self) -> None:
        """Work until `stopping` is set; the batch in hand is finished first, then the group is left."""
        beat = asyncio.create_task(heartbeat.beat(self.redis, self._key, self._facts, self.settings.heartbeat_s))
        failures = 0
        try:
            while not self.stopping.is_set():
                try:
                    if failures or self._next_reclaim_s == 0.0:
                        await self.work.ensure_group()
                    await self.step()
                    failures = 0
                except BusError as error:
                    pause_s = BACK_OFF_S[min(failures, len(BACK_OFF_S) - 1)]
                    failures += 1
                    log.warning("%s; next try in %.1f s", error, pause_s)
                    await self._sleep(pause_s)
            await self._leave()
        finally:
            await stop(beat)

    async def step(self) -> int:
        """One round of the loop; the number of tasks that were finished."""
        deliveries = await self._reclaimed() or await self._read()
        wanted = await self._wanted(deliveries)
        if not wanted:
            return 0
        jobs = await self._with_payloads(wanted)
        outcomes = await self._process(jobs)
        if outcomes:
            await self.stage.publish(self.redis, outcomes)
            await self._finish([o.delivery for o in outcomes])
        return len(outcomes)

    async def _read(self) -> list[Delivery]:
        entries = await self.work.read(self._batch_max, self.settings.block_ms)
        room = self._batch_max - len(entries)
        if entries and room and self._busy and self.stage.max_wait_ms:
            # A busy worker gains from a fuller batch; an idle one never waits.
            await asyncio.sleep(self.stage.max_wait_ms / 1000)
            entries += await self.work.read(room, None)
        self._busy = bool(entries)
        return await self._parse([(entry, 1) for entry in entries])

    async def _reclaimed(self) -> list[Delivery]:
        now_s = time.monotonic()
        if now_s < self._next_reclaim_s:
            return []
        self._next_reclaim_s = now_s + self.settings.reclaim_idle_ms / 2000
        entries = await self.work.reclaim(self.settings.reclaim_idle_ms, self._batch_max)
        self.counters.retried += len(entries)
        return await self._parse(entries)

    async def _parse(self, entries: Sequence[tuple[Entry, int]]) -> list[Delivery]:
        deliveries = []
        for entry, attempts in entries:
            fields, carried = payloads.split(entry[1])
            try:
                if attempts > self.settings.max_attempts:
                    raise TaskError(f"given up after {self.settings.max_attempts} deliveries")
                deliveries.append(Delivery(entry[0], Task.from_fields(fields), carried, attempts))
            except TaskError as error:
                await self._give_up(entry, error)
        return deliveries

    async def _wanted(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """The deliveries that somebody still waits for, earliest deadline first; the others are dropped."""
        if not deliveries:
            return []
        epochs = await sessions.epochs(self.redis, [d.task.session for d in deliveries])
        now_ms = time.time() * 1000
        wanted = [d for d in deliveries if epochs[d.task.session] == d.task.epoch and d.task.deadline_ms >= now_ms]
        dropped = [d for d in deliveries if d not in wanted]
        self.counters.dropped += len(dropped)
        await self._finish(dropped)
        return sorted(wanted, key=lambda d: d.task.deadline_ms)

    async def _with_payloads(self, deliveries: Sequence[Delivery]) -> list[tuple[Delivery, Job]]:
        found = await self.stage.fetch(self.redis, deliveries)
        lost = [d for d, payload in zip(deliveries, found, strict=True) if payload is None]
        for delivery in lost:
            await self._give_up_delivery(delivery, TaskError("its payload has expired"))
        return [(d, Job(d.task, payload)) for d, payload in zip(deliveries, found, strict=True) if payload is not None]

    async def _process(self, jobs: Sequence[tuple[Delivery, Job]]) -> list[Outcome]:
        """Run the stage's function in a thread, keeping the entries ours meanwhile."""
        if not jobs:
            return []
        started_ms = time.time() * 1000
        try:
            results = await self._in_thread(jobs)
        except Exception as error:
            return await self._process_singly(jobs, error)
        finished_ms = time.time() * 1000
        work_ms = finished_ms - started_ms
        self.counters.tasks += len(jobs)
        self.counters.frames += sum(job.task.count for _, job in jobs)
        self.counters.work_ms += work_ms
        return [
            Outcome(delivery, _onward(self.stage.name, job.task, started_ms, work_ms), result)
            for (delivery, job), result in zip(jobs, results, strict=True)
        ]

    async def _process_singly(self, jobs: Sequence[tuple[Delivery, Job]], error: Exception) -> list[Outcome]:
        """A batch failed: find the jobs that are at fault, so that one bad task costs nobody else anything."""
        if len(jobs) > 1:
            return [outcome for job in jobs for outcome in await self._process([job])]
        delivery = jobs[0][0]
        if isinstance(error, LipstreamError) and not error.retryable:
            await self._give_up_delivery(delivery, error)
        elif not isinstance(error, LipstreamError):
            log.exception("stage %s failed on session %s", self.stage.name, delivery.task.session, exc_info=error)
        else:
            log.warning("stage %s: %s (delivery %d)", self.stage.name, error, delivery.attempts)
        return []

    async def _in_thread(self, jobs: Sequence[tuple[Delivery, Job]]) -> list[list[bytes]]:
        work = asyncio.get_running_loop().run_in_executor(None, self.stage.process, [job for _, job in jobs])
        entry_ids = [delivery.entry_id for delivery, _ in jobs]
        while True:
            done, _ = await asyncio.wait({work}, timeout=self.settings.reclaim_idle_ms / 3000)
            if done:
                return work.result()
            try:
                await self.work.keep(entry_ids)
            except (BusError, exceptions.ResponseError) as error:
                log.warning("cannot keep %d tasks: %s", len(entry_ids), error)

    async def _finish(self, deliveries: Sequence[Delivery]) -> None:
        await self.work.finish([d.entry_id for d in deliveries], payloads.blobs_of(deliveries))

    async def _give_up_delivery(self, delivery: Delivery, error: LipstreamError) -> None:
        fields = {k.encode(): v.encode() for k, v in delivery.task.to_fields().items()}
        await self._give_up((delivery.entry_id, fields), error)

    async def _give_up(self, entry: Entry, error: LipstreamError) -> None:
        self.counters.dead += 1
        log.error("stage %s gives up %s: %s", self.stage.name, entry[0].decode(), error)
        await self.work.give_up(self.stage.name, entry, str(error))

    async def _leave(self) -> None:
        try:
            await self.work.leave()
            await heartbeat.stop(self.redis, self._key)
        except BusError as error:
            log.warning("left without a word: %s", error)

    async def _sleep(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.stopping.wait(), seconds)
        except TimeoutError:
            return


def _onward(stage: str, task: Task, started_ms: float, work_ms: float) -> Task:
    """The task as the next stage gets it: stamped with this stage's queue wait and work."""
    stamp = f"{stage}={max(0.0, started_ms - task.sent_ms):.1f}/{work_ms:.1f}"
    timings = f"{task.timings},{stamp}" if task.timings else stamp
    return task.model_copy(update={"sent_ms": time.time() * 1000, "timings": timings})


def run(stage: Stage, settings: Settings) -> None:
    """Run one worker of a stage until SIGTERM or SIGINT; blocking.

    Raises
    ------
    BusError
        Redis cannot be reached at start, or is too old.
    """
    uvloop.run(_run(stage, settings))


async def _run(stage: Stage, settings: Settings) -> None:
    redis = connect(settings.redis_url)
    try:
        version = await check_server(redis)
        worker = Worker(stage, redis, settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, worker.stopping.set)
        log.info("%s worker %s is ready on Redis %s", stage.name, worker.worker_id, version)
        await worker.run()
        log.info("%s worker drained: %d tasks, %d frames", stage.name, worker.counters.tasks, worker.counters.frames)
    finally:
        await redis.aclose()
