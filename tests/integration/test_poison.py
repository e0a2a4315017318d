"""Poison inside a session: what it spoils is concealed at once, all else is right, and the reason is kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
import pytest_asyncio
from redis.asyncio import Redis

from common import keys, payloads
from common.batch import Batch
from common.contracts import Task
from common.jobs import Job
from common.settings import Settings
from common.stage import Outcome, Stage
from lipstream_client import Flag, Frame, connect
from tests import pipeline
from tests.chaos.talk import speeches

POISONED_FRAME: Final = 12
DEADLINE_MS: Final = 3_000
"""Long enough that no other frame is late."""
Spoil = Callable[[Outcome], Outcome]


def truncated(outcome: Outcome) -> Outcome:
    return outcome._replace(results=[outcome.results[0][:-3]])


def without_numbers(outcome: Outcome) -> Outcome:
    size = len(outcome.results[0]) // np.dtype(np.float32).itemsize
    return outcome._replace(results=[np.full(size, np.nan, np.float32).tobytes()])


def changed(**fields: Any) -> Spoil:
    return lambda outcome: outcome._replace(task=outcome.task.model_copy(update=fields))


def spoiling(stage: Stage, spoil: Spoil, spoilt: set[int]) -> Stage:
    """The stage, but what it publishes of one frame is spoilt; notes the frames that were in the same task."""

    async def publish(redis: Redis, outcomes: Sequence[Outcome]) -> None:
        await stage.publish(redis, [made(outcome) for outcome in outcomes])

    def made(outcome: Outcome) -> Outcome:
        frames = range(outcome.task.first, outcome.task.end)
        if POISONED_FRAME not in frames:
            return outcome
        spoilt.update(frames)
        return spoil(outcome)

    return replace(stage, publish=publish)


def throwing(stage: Stage, spoilt: set[int]) -> Stage:
    """The stage, but it cannot stand one frame."""

    def process(jobs: Sequence[Job]) -> list[list[bytes]]:
        for task, _ in jobs:
            frames = range(task.first, task.end)
            if POISONED_FRAME in frames:
                spoilt.clear()
                spoilt.update(frames)
                raise ZeroDivisionError("a model that throws")
        return stage.process(jobs)

    return replace(stage, process=process)


POISONS: Final[dict[str, tuple[str, Callable[[Stage, set[int]], Stage], str, str]]] = {
    "a truncated tensor": ("audio", lambda s, n: spoiling(s, truncated, n), "inference", "payload: "),
    "NaN features": ("audio", lambda s, n: spoiling(s, without_numbers, n), "inference", "hold NaN or infinity"),
    "another version": ("audio", lambda s, n: spoiling(s, changed(v="2"), n), "inference", "not a Task"),
    "a field out of range": (
        "inference",
        lambda s, n: spoiling(s, changed(template=-1), n),
        "compositor",
        "not a Task",
    ),
    "a deleted avatar": ("audio", lambda s, n: spoiling(s, changed(avatar="gone"), n), "inference", "does not serve"),
    "a truncated patch": ("inference", lambda s, n: spoiling(s, truncated, n), "compositor", "payload: "),
    "a mel that throws": ("audio", throwing, "audio", "ZeroDivisionError: a model that throws"),
    "a model that throws": ("inference", throwing, "inference", "ZeroDivisionError: a model that throws"),
}


FROM_GATEWAYS: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "another version": ({"v": "2"}, "not a Task"),
    "a deleted avatar": ({"avatar": "gone"}, "does not serve"),
    "a field out of range": ({"samples": -2}, "not a Task"),
}


def asking_wrongly(fields: dict[str, Any], spoilt: set[int], stage: str = "audio") -> Callable[..., None]:
    """What puts tasks on their streams, but one frame's entry on a stage's stream has some fields changed."""
    add_task, poisoned = payloads.add_task, keys.stage(stage, "default" if stage == "inference" else None)

    def add(batch: Batch, stream: str, task: Task, *args: Any, **kwargs: Any) -> None:
        if stream == poisoned and task.first <= POISONED_FRAME < task.end:
            spoilt.update(range(task.first, task.end))
            task = task.model_copy(update=fields)
        add_task(batch, stream, task, *args, **kwargs)

    return add


async def heard(url: str) -> list[Frame]:
    (speech,) = speeches(1, 2.0)
    async with connect(url, avatar="tiny", sample_rate=speech.rate_hz, pace="lossless") as session:
        await session.send_audio(speech.pcm)
        await session.end()
        return [frame async for frame in session.frames()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def right(redis_server: str, avatars_folder: Path) -> list[Frame]:
    """The frames without poison."""
    async with pipeline.running(redis_server, avatars_folder) as running:
        return await heard(running.url)


class Poisoned(NamedTuple):
    """A sabotaged pipeline, and the frames of its poisoned task once it was spoilt."""

    redis_server: str
    avatars_folder: Path
    right: list[Frame]
    spoilt: set[int]

    async def costs_alone_what_is_spoilt(self, dies_at: str, reason: str, **changes: Any) -> float:
        """How long it took to hear everything."""
        async with pipeline.running(self.redis_server, self.avatars_folder, **changes) as running:
            began_s = time.monotonic()
            got = await heard(running.url)
            took_s = time.monotonic() - began_s
            letters: Any = await running.redis.xrange(keys.dead(dies_at))
        assert POISONED_FRAME in self.spoilt
        assert {frame.frame for frame in got if Flag.CONCEALED in frame.flags} == self.spoilt
        assert self._unspoilt(got) == self._unspoilt(self.right)
        assert [frame.frame for frame in got] == [frame.frame for frame in self.right]
        (letter,) = [fields for _, fields in letters]
        assert reason in letter[b"error"].decode()
        return took_s

    def _unspoilt(self, frames: Sequence[Frame]) -> list[Frame]:
        return [frame for frame in frames if frame.frame not in self.spoilt]


@pytest.fixture
def poisoned(redis_server: str, avatars_folder: Path, right: list[Frame]) -> Poisoned:
    return Poisoned(redis_server, avatars_folder, right, set())


@pytest.mark.parametrize("poison", POISONS)
async def test_poison_costs_the_frames_that_it_spoils_and_nothing_else(
    poisoned: Poisoned, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    at_stage, spoil, dies_at, reason = POISONS[poison]
    build = pipeline.BUILDERS[at_stage]

    def sabotaged(settings: Settings) -> Stage:
        return spoil(build(settings), poisoned.spoilt)

    monkeypatch.setitem(pipeline.BUILDERS, at_stage, sabotaged)
    # Without the notice they would be waited for until their deadline.
    assert await poisoned.costs_alone_what_is_spoilt(dies_at, reason) < Settings().lossless_deadline_ms / 1000 / 2


@pytest.mark.parametrize("poison", FROM_GATEWAYS)
async def test_poison_at_the_first_stage_costs_the_frames_that_it_spoils_and_nothing_else(
    poisoned: Poisoned, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    fields, reason = FROM_GATEWAYS[poison]
    monkeypatch.setattr(payloads, "add_task", asking_wrongly(fields, poisoned.spoilt))
    assert await poisoned.costs_alone_what_is_spoilt("audio", reason) < Settings().lossless_deadline_ms / 1000 / 2


@pytest.mark.parametrize("stage", ["audio", "inference"])
async def test_the_frames_of_an_entry_that_names_no_session_are_concealed_at_their_deadline(
    poisoned: Poisoned, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    monkeypatch.setattr(payloads, "add_task", asking_wrongly({"session": ""}, poisoned.spoilt, stage))
    took_s = await poisoned.costs_alone_what_is_spoilt(stage, "not a Task", lossless_deadline_ms=DEADLINE_MS)
    assert took_s > DEADLINE_MS / 1000
