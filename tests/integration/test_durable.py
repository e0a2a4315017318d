"""Redis keeps a log that is synced every second: a kill loses nothing of it, the loss of power its last second."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from common.avatars.package import Avatar
from lipstream_client import Cleared, Flag, Frame, Session, connect
from tests.integration.cut_off import beside, cut
from tests.integration.redis_servers import Server, started
from tests.integration.talking import Shown, Speaker, concealed, heard, talk
from tests.pipeline import running, until, until_it_speaks, what_stays
from tests.speech import RATE_HZ, offline, say, speechlike, stream

SYNC_S = 1.0
"""What was written for so long may not have reached the disk."""
TORN_BYTES = 7
"""So much of the first lost command did."""
SPEAK_AGAIN_S = 3.0
FPS = 25
DEADLINE_MS = 4_000
"""Of sessions that want every frame: long enough for other load on the machine, and what is lost is given up soon."""
RECOVERED_S = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with started(tmp_path, "--appendonly", "yes", "--appendfsync", "everysec") as made:
        yield made


def log_of(server: Server) -> Path:
    """The file that its commands are added to."""
    (growing,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    return growing


def is_written(server: Server) -> bool:
    """Whether all that it has acknowledged is in its log.

    While a sync is under way, writes to the log wait for it, clients do not; one begins with each second of the clock.
    """
    return 0.2 < time.time() % 1 < 0.8 and server.ask("INFO", "persistence")["aof_pending_bio_fsync"] == 0


async def lose_power(
    server: Server, meanwhile: Callable[[], Awaitable[object]] = lambda: asyncio.sleep(SYNC_S)
) -> float:
    """What is written `meanwhile` is cut off the log, in the middle of a command; when Redis was back."""
    synced_bytes = log_of(server).stat().st_size
    await meanwhile()
    server.kill()
    assert log_of(server).stat().st_size > synced_bytes + TORN_BYTES
    os.truncate(log_of(server), synced_bytes + TORN_BYTES)
    await asyncio.to_thread(server.start)
    assert "loaded anyway because aof-load-truncated" in (server.folder / "log").read_text()
    return time.monotonic()


def spoken_s(shown: Sequence[Shown], frame: int) -> float | None:
    """When the first frame from `frame` on came that was not concealed; None before it does."""
    return next((each.at_s for each in shown[frame:] if not each.concealed), None)


async def test_a_killed_redis_whose_log_is_synced_every_second_has_lost_nothing(
    server: Server, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clip = speechlike(RATE_HZ * 3)
    async with running(server.url, avatars_folder, count=2) as pipeline, asyncio.timeout(RECOVERED_S):
        talking = [asyncio.create_task(stream(pipeline, "tiny", clip, pause_s=0.03)) for _ in range(2)]
        for frames in (30, 80):
            await until_it_speaks(pipeline, frames)
            await until(partial(is_written, server))
            server.kill()
            await asyncio.to_thread(server.start)
        assert await asyncio.gather(*talking) == [offline(tiny_avatar, clip, RATE_HZ)] * 2
        assert await what_stays(pipeline.redis) == []


async def test_the_last_second_before_the_power_went_is_concealed_and_sessions_speak_on(
    server: Server, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    clip, shown, enough = speechlike(RATE_HZ * 6), list[Shown](), asyncio.Event()
    async with (
        running(server.url, avatars_folder, lossless_deadline_ms=DEADLINE_MS) as pipeline,
        asyncio.timeout(RECOVERED_S),
    ):
        patient = asyncio.create_task(heard(pipeline.url, clip))
        live = asyncio.create_task(talk(pipeline, shown, enough))
        taken_s = []
        for _ in range(2):
            await until(lambda: len(shown) > 10 and not shown[-1].concealed)
            back_s = await lose_power(server)
            again_s = await until(partial(spoken_s, shown, len(shown) + FPS))
            taken_s.append(again_s - back_s)
        enough.set()
        await live
        _, frames = await patient
    right, lost = offline(tiny_avatar, clip, RATE_HZ), concealed(frames)
    # The better of two: other load on the machine says nothing of the sessions.
    assert min(taken_s) < SPEAK_AGAIN_S
    assert [frame.frame for frame in frames] == list(range(len(right)))
    assert all(frame.picture == right[frame.frame] for frame in frames if frame.frame not in lost)
    assert 0 < len(lost) < len(right)


async def hear(session: Session, count: int) -> list[Frame]:
    """The next frames."""
    frames: list[Frame] = []
    while len(frames) < count:
        item = await anext(session)
        frames += [item] if isinstance(item, Frame) else []
    return frames


async def test_a_barge_in_that_redis_has_forgotten_holds_and_the_session_speaks_on(
    server: Server, avatars_folder: Path
) -> None:
    second = speechlike(RATE_HZ)
    async with (
        running(server.url, avatars_folder) as pipeline,
        beside(pipeline) as other,
        asyncio.timeout(RECOVERED_S),
        connect([pipeline.url, other], avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session,
    ):

        async def speak() -> list[Frame]:
            await say(session, second, pause_s=0.02)
            await session.flush()
            return await hear(session, FPS)

        async def barge_in() -> None:
            await session.clear()
            while not isinstance(await anext(session), Cleared):
                pass
            await asyncio.sleep(0.2)

        await speak()
        await lose_power(server, barge_in)
        for _ in range(2):
            frames = await speak()
            assert [frame.frame for frame in frames] == list(range(frames[0].frame, frames[0].frame + FPS))
            assert {(frame.epoch, frame.flags & Flag.CONCEALED) for frame in frames} == {(1, Flag.NONE)}
            # Now at another gateway, which knows what Redis does.
            cut(session)


async def test_a_session_that_redis_has_forgotten_begins_again_where_its_client_is(
    server: Server, avatars_folder: Path
) -> None:
    speaker, enough = Speaker(), asyncio.Event()
    async with running(server.url, avatars_folder, heartbeat_s=0.2) as pipeline, asyncio.timeout(RECOVERED_S):
        speaking: list[asyncio.Task[None]] = []

        async def begin() -> None:
            speaking.append(asyncio.create_task(speaker.speak(pipeline.url, enough)))
            await until(lambda: len(speaker.numbers) > 5)

        back_s = await lose_power(server, begin)
        await until(lambda: speaker.heard_s > back_s)
        enough.set()
        await asyncio.gather(*speaking)
    assert speaker.first_after(back_s) - back_s < SPEAK_AGAIN_S
    assert speaker.sessions == 1
    assert speaker.numbers == sorted(set(speaker.numbers))


async def test_an_utterance_that_redis_has_forgotten_goes_on_at_another_gateway(
    server: Server, avatars_folder: Path
) -> None:
    second = speechlike(RATE_HZ)
    async with (
        running(server.url, avatars_folder, lossless_deadline_ms=DEADLINE_MS) as pipeline,
        beside(pipeline) as other,
        asyncio.timeout(RECOVERED_S),
        connect([pipeline.url, other], avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session,
    ):

        async def begin() -> None:
            await say(session, second, pause_s=0.02)
            await hear(session, 10)

        await lose_power(server, begin)
        await say(session, second, pause_s=0.02)
        before = await hear(session, FPS)
        cut(session)
        await say(session, second, pause_s=0.02)
        await session.end()
        frames = [*before, *[frame async for frame in session.frames()]]
    assert [frame.frame for frame in frames] == list(range(10, 3 * FPS))
    assert frames[-1].flags == Flag.LAST
