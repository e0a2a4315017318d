"""A client that was cut off comes back, to this gateway or another, and lacks nothing."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection
from websockets.typing import Subprotocol

from common import keys
from common.avatars.package import Avatar
from common.frames import FrameHeader
from lipstream_client import Frame, LipstreamClientError, Resumed, connect
from tests.integration.cut_off import beside, cut
from tests.pipeline import running, until
from tests.speech import RATE_HZ, offline, say, speechlike

SECOND = 2 * RATE_HZ
RESUME_S = 60


@pytest.mark.parametrize("cuts", [1, 4])
@pytest.mark.parametrize("rate_hz", [16_000, 24_000, 44_100])
async def test_a_session_that_is_cut_gives_the_frames_of_one_that_is_not(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, cuts: int, rate_hz: int
) -> None:
    pcm = speechlike(rate_hz * 4 + 17)
    expected = offline(tiny_avatar, pcm, rate_hz)
    async with running(redis_server, avatars_folder) as pipeline, beside(pipeline) as other:
        urls = [pipeline.url, other]
        async with connect(urls, avatar="tiny", sample_rate=rate_hz, pace="lossless") as session:

            async def send() -> None:
                await say(session, pcm, pause_s=0.005)
                await session.end()

            sending, pictures, resumed = asyncio.create_task(send()), [], 0
            async for item in session:
                resumed += isinstance(item, Resumed)
                if not isinstance(item, Frame):
                    continue
                assert item.frame == len(pictures)
                pictures.append(item.picture)
                if len(pictures) in range(20, 20 * cuts + 1, 20):
                    cut(session)
            await sending
        assert resumed >= 1
        assert pictures == expected
        assert session.ended is not None
        assert (session.ended.frames, session.ended.concealed) == (len(expected), 0)


async def test_utterances_and_barge_ins_survive_too(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar
) -> None:
    pcm = speechlike(RATE_HZ)
    expected = offline(tiny_avatar, pcm, RATE_HZ)
    async with running(redis_server, avatars_folder) as pipeline, beside(pipeline) as other:
        async with connect([pipeline.url, other], avatar="tiny", pace="lossless") as session:
            said: list[Any] = []

            async def hear(count: int) -> list[Frame]:
                frames: list[Frame] = []
                while len(frames) < count:
                    item = await anext(session)
                    frames += [item] if isinstance(item, Frame) else []
                    said.extend([] if isinstance(item, Frame) else [type(item).__name__])
                return frames

            await session.send_audio(pcm)
            await session.flush()
            first = await hear(10)
            cut(session)
            await session.clear(shown=9)
            await session.send_audio(pcm)
            await session.flush()
            second = await hear(25)
            cut(session)
            await session.end()
            assert [item async for item in session.frames()] == []
        assert [frame.picture for frame in first] == expected[:10]
        # The template goes on where the barge-in cut: the faces differ, their number does not.
        assert [frame.epoch for frame in second] == [1] * 25
        assert said.count("Cleared") == 1
        assert "Resumed" in said


@contextlib.asynccontextmanager
async def opened(url: str, opening: dict[str, Any]) -> AsyncIterator[tuple[ClientConnection, dict[str, Any]]]:
    """A raw connection; the answer to `start` or `resume`."""
    async with websockets.connect(url, subprotocols=[Subprotocol("lipstream.v1")]) as socket:
        await socket.recv()
        await socket.send(json.dumps(opening))
        yield socket, json.loads(await socket.recv())


START = {"type": "start", "avatar": "tiny", "sample_rate": 16_000, "pace": "lossless"}


async def frame_numbers(socket: ClientConnection, count: int) -> list[int]:
    numbers: list[int] = []
    while len(numbers) < count:
        message = await asyncio.wait_for(socket.recv(), 60)
        numbers += [FrameHeader.unpack(message)[0].frame] if isinstance(message, bytes) else []
    return numbers


async def test_a_session_moves_although_its_first_connection_still_lives(
    redis_server: str, avatars_folder: Path
) -> None:
    async with running(redis_server, avatars_folder) as pipeline, beside(pipeline) as other:
        for url in (other, pipeline.url):
            async with opened(pipeline.url, START) as (first, started):
                await first.send(bytes(2 * 16_000))
                assert await frame_numbers(first, 5) == [0, 1, 2, 3, 4]
                resume = {"type": "resume", "token": started["resume"], "last_frame": 4, "epoch": 0}
                async with opened(url, resume) as (second, resumed):
                    assert (resumed["type"], resumed["next_frame"], resumed["session"]) == (
                        "resumed", 5, started["session"],
                    )  # fmt: skip
                    await second.send(bytes(2 * (16_000 - resumed["audio"])) + bytes(2 * 16_000))
                    assert await frame_numbers(second, 30) == list(range(5, 35))
                    texts = []
                    with contextlib.suppress(websockets.ConnectionClosed):
                        while True:
                            message = await first.recv()
                            texts += [message] if isinstance(message, str) else []
                    assert json.loads(texts[-1])["code"] == "session_moved"
                    assert first.close_code == 1008


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"), "signature is not valid"),
        (lambda token: "nonsense", "signature is not valid"),
        (lambda token: token.replace("lsr1", "ls1"), "signature is not valid"),
    ],
)
async def test_a_forged_token_opens_nothing_and_a_start_may_follow(
    redis_server: str, avatars_folder: Path, change: Any, message: str
) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        async with opened(pipeline.url, START) as (_, started):
            pass
        async with opened(pipeline.url, {"type": "resume", "token": change(started["resume"])}) as (socket, answer):
            assert (answer["code"], answer["field"], answer["retryable"]) == ("cannot_resume", "token", False)
            assert message in answer["message"]
            await socket.send(json.dumps(START))
            assert json.loads(await socket.recv())["type"] == "started"


async def test_a_token_expires(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, resume_token_s=1) as pipeline:  # noqa: SIM117
        async with opened(pipeline.url, START) as (_, started):
            await asyncio.sleep(1.1)
            async with opened(pipeline.url, {"type": "resume", "token": started["resume"]}) as (_, answer):
                assert answer["code"] == "cannot_resume"
                assert "expired" in answer["message"]


async def test_who_leaves_takes_the_session_along_who_is_cut_off_finds_it_for_a_while(
    redis_server: str, avatars_folder: Path
) -> None:
    async with running(redis_server, avatars_folder, resume_s=RESUME_S) as pipeline:
        async with opened(pipeline.url, START) as (socket, left):
            await socket.close(1001)
        async with opened(pipeline.url, START) as (socket, dropped):
            await socket.send(bytes(32_000))
            await frame_numbers(socket, 1)
            socket.transport.abort()
        await until(lambda: not pipeline.gateway.sessions)
        assert await pipeline.redis.exists(keys.session(left["session"])) == 0
        kept = [key async for key in pipeline.redis.scan_iter(f"session:*{dropped['session']}*")]
        assert len(kept) == 4
        assert RESUME_S - 30 < await pipeline.redis.ttl(keys.session(dropped["session"])) <= RESUME_S
        assert all([await pipeline.redis.ttl(key) > 0 for key in kept])
        assert await pipeline.redis.hget(keys.session(dropped["session"]), "state") == b"away"
        async with opened(pipeline.url, {"type": "resume", "token": left["resume"]}) as (_, answer):
            assert answer["message"] == "this session has ended; start another"


async def test_a_redis_that_comes_back_empty_costs_nobody_the_session(redis_server: str, avatars_folder: Path) -> None:
    pcm = speechlike(RATE_HZ * 4)
    async with running(redis_server, avatars_folder, heartbeat_s=0.2) as pipeline:
        async with connect(pipeline.url, avatar="tiny", pace="lossless") as session:

            async def send() -> None:
                await say(session, pcm, pause_s=0.02)
                await session.end()

            sending, numbers, resumed = asyncio.create_task(send()), [], 0
            async for item in session:
                resumed += isinstance(item, Resumed)
                numbers += [item.frame] if isinstance(item, Frame) else []
                if len(numbers) == 30 and not resumed:
                    await pipeline.redis.flushall()
            await sending
        assert resumed == 1
        assert numbers == sorted(set(numbers)), "no frame twice, none out of order"
        assert len(numbers) >= 100, "what Redis lost was said again"


async def test_a_client_without_resumption_hears_that_it_was_cut_off(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:  # noqa: SIM117
        async with connect(pipeline.url, avatar="tiny", resumes=False) as session:
            await session.send_audio(bytes(SECOND))
            await anext(session)
            cut(session)
            with pytest.raises(LipstreamClientError, match="closed"):
                [item async for item in session]
