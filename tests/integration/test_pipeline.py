"""Streaming equals offline: whatever the chunks, the pace and the workers, the frames are the renderer's."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from common import keys
from common.avatars.package import Avatar
from common.streams import Entry, WorkStream
from gateway.bus import GatewayBus
from tests.pipeline import running, stages_are_empty, until, what_stays
from tests.speech import RATE_HZ, offline, speechlike, stream


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("name", ["tiny", "reference"])
async def test_frames_are_byte_identical_to_the_renderers(
    redis_server: str, avatars_folder: Path, request: pytest.FixtureRequest, name: str, workers: int
) -> None:
    avatar: Avatar = request.getfixturevalue(f"{name}_avatar")
    pcm = speechlike(RATE_HZ * 3 + 17)
    expected = offline(avatar, pcm, RATE_HZ)
    assert len(set(expected)) > len(expected) // 2, "the picture follows the audio"
    async with running(redis_server, avatars_folder, count=workers, avatars=(name,)) as pipeline:
        for chunk_ms, pause_s in ((10, 0.0), (40, 0.0), (97, 0.0), (1000, 0.0), (40, 0.02)):
            assert await stream(pipeline, name, pcm, chunk_ms=chunk_ms, pause_s=pause_s) == expected


@pytest.mark.parametrize("samples", [1, 639, 640, 641, 4_800])
async def test_a_clip_gives_exactly_the_frames_that_cover_it(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, reference_avatar: Avatar, samples: int
) -> None:
    pcm = speechlike(samples)
    async with running(redis_server, avatars_folder, avatars=("tiny", "reference")) as pipeline:
        for avatar in (tiny_avatar, reference_avatar):
            frames = await stream(pipeline, avatar.name, pcm, rate_hz=16_000)
            assert len(frames) == -(-samples // 640)
            assert frames == offline(avatar, pcm, 16_000)


@pytest.mark.parametrize("seconds", [10, 120])
async def test_a_long_clip_is_still_the_renderers(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, seconds: int
) -> None:
    pcm = speechlike(16_000 * seconds)
    async with running(redis_server, avatars_folder) as pipeline:
        frames = await stream(pipeline, "tiny", pcm, rate_hz=16_000, chunk_ms=500)
    assert len(frames) == 25 * seconds
    assert frames == offline(tiny_avatar, pcm, 16_000)


async def test_sessions_side_by_side_do_not_touch_each_other(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, reference_avatar: Avatar
) -> None:
    clips = [speechlike(n) for n in (20_000, 33_333, 48_000, 7_777)]
    names = ["tiny", "reference", "tiny", "reference"]
    avatars = {"tiny": tiny_avatar, "reference": reference_avatar}
    async with running(redis_server, avatars_folder, count=2, avatars=("tiny", "reference")) as pipeline:
        found = await asyncio.gather(*(stream(pipeline, n, c) for n, c in zip(names, clips, strict=True)))
    for name, clip, frames in zip(names, clips, found, strict=True):
        assert frames == offline(avatars[name], clip, RATE_HZ)


async def test_nothing_is_left_in_redis_when_a_session_has_ended(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        await stream(pipeline, "tiny", speechlike(24_000))
        await until(lambda: not pipeline.gateway.sessions)
        await stages_are_empty(pipeline.redis)
        assert await what_stays(pipeline.redis) == []


async def test_workers_that_die_with_tasks_in_hand_cost_no_frame(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm, read = speechlike(RATE_HZ * 3), WorkStream.read
    robbed: Counter[str] = Counter()

    async def read_and_die(work: WorkStream, count: int, block_ms: int | None) -> list[Entry]:
        """The first deliveries of every stage go to a consumer that is never heard of again."""
        if robbed[work.stream] == 3:
            return await read(work, count, block_ms)
        robbed[work.stream] += len(await read(WorkStream(work.redis, work.stream, "dead"), 1, block_ms))
        return []

    monkeypatch.setattr(WorkStream, "read", read_and_die)
    async with running(redis_server, avatars_folder, reclaim_idle_ms=100) as pipeline:
        frames = await stream(pipeline, "tiny", pcm, pause_s=0.01)
    stages = {keys.stage("audio"), keys.stage("inference", "default"), keys.stage("compositor")}
    assert robbed == dict.fromkeys(stages, 3)
    assert frames == offline(tiny_avatar, pcm, RATE_HZ)


async def test_a_notice_that_is_lost_delays_its_frames_but_loses_none(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch
) -> None:
    pcm = speechlike(RATE_HZ)

    async def deaf(_bus: GatewayBus, _entries: object) -> None:
        return

    monkeypatch.setattr(GatewayBus, "_dispatch", deaf)
    async with running(redis_server, avatars_folder) as pipeline:
        assert await stream(pipeline, "tiny", pcm) == offline(tiny_avatar, pcm, RATE_HZ)
