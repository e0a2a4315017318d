"""A worker's tasks stay its own while it works on them, and are not taken back once they may be others'."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from common.contracts import Task
from common.errors import BusError
from common.hold import Hold
from common.jobs import Job
from common.settings import Settings
from common.stage import Delivery, Outcome, Stage
from common.streams import WorkStream

SETTINGS = Settings(block_ms=20, reclaim_idle_ms=60, frame_deadline_ms=200)
TASK = Task(
    session="a" * 32, gateway="g", avatar="tiny", epoch=0, base=0, first=0, count=1, samples=-1, template=0,
    quality=85, ingest_ms=0, deadline_ms=0, sent_ms=0,
)  # fmt: skip


@dataclass
class Stream:
    """What Redis would know: whose the entries are, and how often they were kept."""

    pending: set[bytes] = field(default_factory=set)
    asked: int = 0
    kept: list[list[bytes]] = field(default_factory=list)
    is_away: bool = False
    begged: threading.Event = field(default_factory=threading.Event)

    async def keep(self, entry_ids: list[bytes]) -> None:
        self.begged.set()
        if self.is_away:
            raise BusError("Redis is away")
        self.kept.append(entry_ids)

    async def ours(self) -> set[bytes]:
        self.asked += 1
        return self.pending


def hold(stream: Stream, kept_s: float, work: Callable[[], object] = bool) -> Hold:
    def process(jobs: Sequence[Job]) -> list[list[bytes]]:
        work()
        return [[job.payload] for job in jobs]

    async def nothing(*_: Any) -> Any:
        raise AssertionError("a hold neither fetches nor publishes")

    stage = Stage("from", "stream", process, nothing, nothing)
    return Hold(stage, cast(WorkStream, stream), SETTINGS, kept_s)


def jobs(*entry_ids: bytes) -> list[tuple[Delivery, Job]]:
    return [(Delivery(entry_id, TASK, {}), Job(TASK, entry_id)) for entry_id in entry_ids]


def outcomes(*entry_ids: bytes) -> list[Outcome]:
    return [Outcome(delivery, TASK, []) for delivery, _ in jobs(*entry_ids)]


async def test_tasks_are_kept_while_the_work_is_long() -> None:
    stream = Stream()
    made = hold(stream, time.monotonic() + 60, lambda: stream.begged.wait(30))
    assert await made.process(jobs(b"1", b"2")) == [[b"1"], [b"2"]]
    assert stream.kept[0] == [b"1", b"2"]
    assert made.kept_s <= time.monotonic(), "from now on they are ours as of when we asked"
    made.end()


async def test_who_was_away_for_long_does_not_take_back_what_others_may_have() -> None:
    stream = Stream()
    made = hold(stream, time.monotonic() - 1, lambda: time.sleep(0.1))
    await made.process(jobs(b"1"))
    assert stream.kept == []
    made.end()


async def test_what_was_kept_lately_is_published_without_a_question() -> None:
    stream = Stream()
    assert len(await hold(stream, time.monotonic() + 60).still_ours(outcomes(b"1", b"2"))) == 2
    assert stream.asked == 0


async def test_after_an_absence_only_what_nobody_took_is_published() -> None:
    stream = Stream(pending={b"2", b"3"})
    ours = await hold(stream, time.monotonic() - 1).still_ours(outcomes(b"1", b"2"))
    assert [outcome.delivery.entry_id for outcome in ours] == [b"2"]


async def test_work_goes_on_while_redis_is_away(caplog: pytest.LogCaptureFixture) -> None:
    stream = Stream(is_away=True)
    made = hold(stream, time.monotonic() + 60, lambda: stream.begged.wait(30))
    assert await made.process(jobs(b"1")) == [[b"1"]]
    assert "cannot keep 1 tasks: Redis is away" in caplog.text
    made.end()
