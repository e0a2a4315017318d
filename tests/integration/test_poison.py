"""Poison inside a session: what it spoils is concealed at once, all else is right, and the reason is kept."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from redis.asyncio import Redis

from common import keys
from common.jobs import Job
from common.settings import Settings
from common.stage import Outcome, Stage
from lipstream_client import Flag, Frame, connect
from tests import pipeline
from tests.chaos.talk import speeches

POISONED_FRAME: Final = 12
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
    "a model that throws": ("inference", throwing, "inference", "ZeroDivisionError: a model that throws"),
}


async def heard(url: str) -> list[Frame]:
    (speech,) = speeches(1, 2.0)
    async with connect(url, avatar="tiny", sample_rate=speech.rate_hz, pace="lossless") as session:
        await session.send_audio(speech.pcm)
        await session.end()
        return [frame async for frame in session.frames()]


@pytest.mark.parametrize("poison", POISONS)
async def test_poison_costs_the_frames_that_it_spoils_and_nothing_else(
    redis_server: str, avatars_folder: Path, monkeypatch: pytest.MonkeyPatch, poison: str
) -> None:
    at_stage, spoil, dies_at, reason = POISONS[poison]
    async with pipeline.running(redis_server, avatars_folder) as running:
        right = await heard(running.url)
    spoilt: set[int] = set()
    build = pipeline.BUILDERS[at_stage]

    def sabotaged(settings: Settings) -> Stage:
        return spoil(build(settings), spoilt)

    monkeypatch.setitem(pipeline.BUILDERS, at_stage, sabotaged)
    async with pipeline.running(redis_server, avatars_folder) as running:
        began_s = time.monotonic()
        got = await heard(running.url)
        took_s = time.monotonic() - began_s
        letters: Any = await running.redis.xrange(keys.dead(dies_at))
    assert POISONED_FRAME in spoilt
    assert {frame.frame for frame in got if Flag.CONCEALED in frame.flags} == spoilt
    assert [frame for frame in got if frame.frame not in spoilt] == [f for f in right if f.frame not in spoilt]
    assert [frame.frame for frame in got] == [frame.frame for frame in right]
    (letter,) = [fields for _, fields in letters]
    assert reason in letter[b"error"].decode()
    # Without the notice they would be waited for until their deadline.
    assert took_s < Settings().lossless_deadline_ms / 1000 / 2
