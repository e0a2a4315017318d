"""What a stage is: a pure function from a batch of jobs to their results, and where its tasks come from and go to."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from redis.asyncio import Redis

from common.clock import written_ms
from common.contracts import Task
from common.jobs import Job


class Delivery(NamedTuple):
    """A task as it was read from its stream."""

    entry_id: bytes
    task: Task
    fields: dict[bytes, bytes]
    attempts: int = 1


class Outcome(NamedTuple):
    """A finished job: the delivery that asked for it, the task as it goes on, and what the stage made."""

    delivery: Delivery
    task: Task
    results: list[bytes]


class ModelLoad(NamedTuple):
    """An avatar's models that a worker has loaded and warmed up, and what it took."""

    avatar: str
    provider: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage, as data for the worker loop.

    `process` is synchronous, touches neither Redis nor clocks, and gives a list of results for each job, so that
    one loop serves all stages and batches across sessions. `fetch` finds the payloads (None: it is gone for good);
    `publish` makes the results visible and must be idempotent. `batch_max` is how many tasks gain from being taken
    together (None: as many as the settings allow); more would only keep the first waiting for the last.
    """

    name: str
    stream: str
    process: Callable[[Sequence[Job]], list[list[bytes]]]
    fetch: Callable[[Redis, Sequence[Delivery]], Awaitable[list[bytes | None]]]
    publish: Callable[[Redis, Sequence[Outcome]], Awaitable[None]]
    avatars: tuple[str, ...] = ()
    max_wait_ms: float = 0.0
    batch_max: int | None = None
    loads: tuple[ModelLoad, ...] = ()


def left_ms(delivery: Delivery, now_ms: float) -> float:
    """How long somebody still waits for a delivery's frames; `now_ms` is Redis' time, the gateway's cancels out."""
    task = delivery.task
    return task.deadline_ms - task.sent_ms - (now_ms - written_ms(delivery.entry_id))


def onward(stage: str, delivery: Delivery, started_ms: float, finished_ms: float) -> Task:
    """The task as the next stage gets it: stamped with this stage's queue wait and work; times are Redis'."""
    task, written = delivery.task, written_ms(delivery.entry_id)
    stamp = f"{stage}={max(0.0, started_ms - written):.1f}/{finished_ms - started_ms:.1f}"
    timings = f"{task.timings},{stamp}" if task.timings else stamp
    return task.model_copy(update={"sent_ms": task.sent_ms + finished_ms - written, "timings": timings})
