"""A model hangs; an avatar is deleted: what the sessions see whose frames they are, and that others see nothing."""

import asyncio
import shutil
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import pytest
from redis.asyncio import Redis

from common import keys
from common.avatars.package import Avatar
from common.errors import AvatarError
from common.jobs import Job
from common.settings import Settings
from common.stage import Stage
from common.worker import Worker
from lipstream_client import Frame, Session, connect
from tests import pipeline
from tests.integration.talking import concealed, heard
from tests.speech import RATE_HZ, offline, speechlike

HANGS_AT: Final = 20
DEADLINE_MS: Final = 5_000
"""Long enough that no other frame is late."""
SECOND: Final = speechlike(RATE_HZ)


@dataclass(slots=True)
class Hanging:
    """Makes the first worker that gets a certain frame hang; `held` are the frames that it had then, by session."""

    held: dict[str, set[int]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)

    def of(self, stage: Stage) -> Stage:
        def process(jobs: Sequence[Job]) -> list[list[bytes]]:
            if not self.held and any(task.first <= HANGS_AT < task.end for task, _ in jobs):
                for task, _ in jobs:
                    self.held.setdefault(task.session, set()).update(range(task.first, task.end))
                self.over.wait(60)
            return stage.process(jobs)

        return replace(stage, process=process)


@pytest.fixture
def hanging(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hanging]:
    made, build = Hanging(), pipeline.BUILDERS["inference"]

    def sabotaged(settings: Settings) -> Stage:
        return made.of(build(settings))

    monkeypatch.setitem(pipeline.BUILDERS, "inference", sabotaged)
    yield made
    made.over.set()


async def test_a_model_that_hangs_costs_what_hangs_with_it_and_others_go_on(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, hanging: Hanging
) -> None:
    clips = [speechlike(2 * RATE_HZ), speechlike(2 * RATE_HZ + 9_600)]
    # On a machine that stands still for a moment, the other worker would take over what the first one holds.
    patient: Any = {"reclaim_idle_ms": 10_000, "skip_after_ms": 20_000, "frame_deadline_ms": 20_000}
    changes: Any = {"count": 2, "lossless_deadline_ms": DEADLINE_MS, **patient}
    async with pipeline.running(redis_server, avatars_folder, **changes) as running:
        found = await asyncio.gather(*(heard(running.url, clip) for clip in clips))
        assert not hanging.over.is_set()
        # Nobody takes over what would hang with the next one, too: it is still in hand.
        waiting: Any = await running.redis.xpending(keys.stage("inference", "default"), keys.GROUP)
        hanging.over.set()
    assert waiting["pending"] > 0
    assert HANGS_AT in set().union(*hanging.held.values())
    for clip, (session, frames) in zip(clips, found, strict=True):
        right = offline(tiny_avatar, clip, RATE_HZ)
        held = hanging.held.get(session, set())
        assert [frame.frame for frame in frames] == list(range(len(right)))
        # A machine that stands still makes others late, too; never wrong.
        lost = concealed(frames)
        assert held <= lost
        assert all(frame.picture == right[frame.frame] for frame in frames if frame.frame not in lost)
        assert any(frame.frame > max(held, default=HANGS_AT) for frame in frames if frame.frame not in lost)


async def utterance(session: Session, pcm: bytes) -> list[Frame]:
    """Say something over the template's beginning; its frames."""
    await session.begin(0)
    await session.send_audio(pcm)
    await session.flush()
    frames: list[Frame] = []
    while len(frames) < len(pcm) // 2 * 25 // RATE_HZ:
        item = await anext(session)
        frames += [item] if isinstance(item, Frame) else []
    return frames


@asynccontextmanager
async def working(made: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(made.run())
    try:
        yield
    finally:
        made.stopping.set()
        await task


async def left(redis: Redis, made: Worker) -> None:
    """Wait until a worker has gone."""

    async def is_gone() -> bool:
        return not await redis.exists(keys.worker(made.stage.name, made.worker_id))

    await pipeline.until(is_gone)


async def test_an_avatar_that_is_deleted_is_served_by_the_workers_that_have_it_and_then_concealed(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, tmp_path: Path
) -> None:
    folder = tmp_path / "avatars"
    shutil.copytree(avatars_folder, folder)
    right = offline(tiny_avatar, SECOND, RATE_HZ)
    async with (
        pipeline.running(redis_server, folder, avatars=("tiny", "reference")) as running,
        connect(running.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session,
    ):
        await utterance(session, SECOND)
        shutil.rmtree(folder / "tiny")
        assert [frame.picture for frame in await utterance(session, SECOND)] == right
        # A worker that starts now cannot load it, and has only the others.
        settings, build = running.gateway.settings, pipeline.BUILDERS["inference"]
        with pytest.raises(AvatarError, match="tiny"):
            build(settings)
        (had_it,) = [each for each in running.workers if each.stage.name == "inference"]
        other = Worker(build(settings.model_copy(update={"avatars": ("reference",)})), running.redis, settings)
        had_it.stopping.set()
        async with working(other):
            await left(running.redis, had_it)
            frames = await utterance(session, SECOND)
            letters: Any = await running.redis.xrange(keys.dead("inference"))
            await session.end()
            async for _ in session:
                pass
    assert concealed(frames) == {frame.frame for frame in frames}
    assert {frame.picture for frame in frames} == {right[-1]}
    assert {fields[b"error"] for _, fields in letters} == {b"this inference worker does not serve avatar 'tiny'"}
    assert session.ended is not None
    assert (session.ended.frames, session.ended.concealed) == (75, 25)
