"""`audio_chunk` and `get_frame` over the wire: each frame once, in order, and driven by the audio."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection, connect

from common.avatars.package import Avatar
from common.clock import steady_ms
from common.frames import FrameHeader
from common.resample import StreamResampler
from common.settings import Settings
from gateway.earlier import binary, line
from gateway.segmenter import Heard, Segment
from tests import earlier
from tests.avatar_package import write_package
from tests.pipeline import Pipeline, running, until, what_stays
from workers.offline.render import load_stages, render_frames

CHUNK_SAMPLES = 960
DEADLINE_MS = 60_000
"""Tests wait for every frame; how long a slow machine takes is not their matter."""


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(
        redis_server, avatars_folder, avatars=("tiny", "reference"), frame_deadline_ms=DEADLINE_MS, flush_after_ms=150
    ) as made:
        yield made


def speech(chunks: int, seed: int = 3) -> bytes:
    """Noise with a slow envelope, so that neighbouring frames differ."""
    samples = chunks * CHUNK_SAMPLES
    noise = np.random.default_rng(seed).normal(size=samples)
    envelope = 0.5 + 0.5 * np.sin(np.arange(samples) / 3000)
    return (noise * envelope * 8000).clip(-32768, 32767).astype("<i2").tobytes()


class Client:
    """A client as the earlier servers had them: it sends, and sorts what comes by its type."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.generated = 0

    async def say(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def heard(self, *kinds: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while True:
                message = await self._socket.recv()
                content = json.loads(message)
                if content["type"] == "frames_generated":
                    self.generated += content["count"]
                if content["type"] in kinds:
                    return dict(content)

    async def ask(self, kind: str, answer: str, **fields: Any) -> dict[str, Any]:
        await self.say(kind, **fields)
        return await self.heard(answer, "error")

    async def speak(self, pcm: bytes, chunk_bytes: int = 2 * CHUNK_SAMPLES, **fields: Any) -> None:
        for start in range(0, len(pcm), chunk_bytes):
            encoded = base64.b64encode(pcm[start : start + chunk_bytes]).decode()
            await self.say("audio_chunk", audio_data=encoded, timestamp=start / 48_000, **fields)

    async def stats(self, hoped: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first `stats` that are as hoped."""
        async with asyncio.timeout(60):
            while not hoped(stats := await self.ask("get_stats", "stats")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        return stats

    async def frames(self, count: int, timeout_s: float = 60) -> list[dict[str, Any]]:
        """So many frames, asked for as a client's render loop does it."""
        frames: list[dict[str, Any]] = []
        async with asyncio.timeout(timeout_s):
            while len(frames) < count:
                frame = await self.ask("get_frame", "current_frame", output="frame")
                if frame["frame_data"] is not None:
                    frames.append(frame)
                else:
                    assert frame["message"] == "No frame available"
                    await asyncio.sleep(0.01)
        return frames


def pictures(frames: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(frame["frame_data"]) for frame in frames]


def offline(avatar: Avatar, pcm: bytes) -> list[bytes]:
    settings = Settings(avatars=(avatar.name,))
    resampler = StreamResampler(24_000)
    samples = resampler.push(pcm) + resampler.finish()
    return [
        FrameHeader.unpack(m)[1]
        for m in render_frames(avatar.manifest, load_stages(avatar, settings), samples, settings)
    ]


def ready_frames(avatar: Avatar, pcm: bytes) -> int:
    """How many frames of an utterance so far need no more audio."""
    segment = Segment(0, 0, 0, avatar.manifest, Heard(), StreamResampler(24_000))
    segment.push(pcm)
    return segment.ready


async def test_frames_come_once_in_order_and_are_the_renderers(pipeline: Pipeline, tiny_avatar: Avatar) -> None:
    pcm = speech(75)
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(pcm)
        frames = await client.frames(75)
        assert (await client.ask("get_frame", "current_frame"))["frame_data"] is None
        assert client.generated == 75
    assert pictures(frames) == offline(tiny_avatar, pcm)
    assert [frame["frame_id"] for frame in frames] == list(range(75))
    positions = [tiny_avatar.manifest.template_index(k) for k in range(75)]
    assert [frame["bounds"] for frame in frames] == [list(tiny_avatar.crops[k]) for k in positions]
    for frame in frames:
        assert (frame["model_name"], frame["prediction_shape"]) == ("tiny", "64x96x3")
        assert isinstance(frame["timestamp"], float)
        assert abs(frame["timestamp"] - time.time()) < 300


async def test_sixty_seconds_of_audio_give_1500_frames_in_order(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        # All of it before the first frame is asked for, as from a file.
        await client.speak(speech(1_500), chunk_bytes=10 * 2 * CHUNK_SAMPLES)
        frames = await client.frames(1_500, timeout_s=150)
        stats = await client.ask("get_stats", "stats")
    assert [frame["frame_id"] for frame in frames] == list(range(1_500))
    assert len(set(pictures(frames))) == 1_500
    assert (stats["frames_dropped"], stats["frames_concealed"], stats["frame_buffer_fill"]) == (0, 0, 0)


async def test_the_audio_drives_the_mouth(pipeline: Pipeline) -> None:
    shown = []
    for pcm in (speech(25), bytes(25 * 2 * CHUNK_SAMPLES), speech(25, seed=4)):
        async with connect(pipeline.url) as socket:
            client = Client(socket)
            await client.speak(pcm)
            shown.append(pictures(await client.frames(25)))
    loud, silent, other = shown
    pixels = [
        cv2.imdecode(np.frombuffer(jpegs[12], np.uint8), cv2.IMREAD_COLOR).astype(int) for jpegs in (loud, silent)
    ]
    assert np.abs(pixels[0] - pixels[1]).max() > 20
    assert all(a != b for a, b in zip(loud, other, strict=True))


async def test_a_pause_brings_the_tail_out_and_speech_goes_on_behind_it(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(10))
        first = await client.frames(10)
        await client.speak(speech(5))
        second = await client.frames(5)
    assert [frame["frame_id"] for frame in first + second] == list(range(15))


@pytest.mark.parametrize("asks", [True, False], ids=["taken", "untaken"])
async def test_audio_that_came_while_the_gateway_stood_still_goes_on_with_its_utterance(
    redis_server: str, avatars_folder: Path, tiny_avatar: Avatar, monkeypatch: pytest.MonkeyPatch, asks: bool
) -> None:
    pcm, later_s = speech(40), 0.0
    middle = len(pcm) // 2 + 1_000
    clock = SimpleNamespace(time=time.time, monotonic=lambda: time.monotonic() + later_s)
    monkeypatch.setattr(line, "time", clock)
    monkeypatch.setattr(line, "steady_ms", lambda: steady_ms() + later_s * 1000)
    async with (
        running(redis_server, avatars_folder, frame_deadline_ms=DEADLINE_MS, flush_after_ms=10_000) as pipeline,
        connect(pipeline.url) as socket,
    ):
        client = Client(socket)
        await client.speak(pcm[:middle])
        ready = ready_frames(tiny_avatar, pcm[:middle])
        await client.stats(lambda stats: stats["frame_buffer_fill"] == ready)
        frames = await client.frames(ready) if asks else []
        await client.speak(pcm[middle:], chunk_bytes=len(pcm))
        later_s += 20
        time.sleep(3 * line.TICK_S)  # noqa: ASYNC251 - nobody in this loop gets on
        frames += await client.frames(ready_frames(tiny_avatar, pcm) - len(frames))
        later_s += 20
        frames += await client.frames(40 - len(frames))
    assert pictures(frames) == offline(tiny_avatar, pcm)


async def test_any_chunk_size_and_rate_is_welcome(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(25)[: 2 * 16_000], chunk_bytes=1_022, sample_rate=16_000)
        assert len(await client.frames(25)) == 25
        error = await client.ask("audio_chunk", "current_frame", audio_data="AAA=", sample_rate=8_000)
        assert (error["type"], error["field"], error["limit"]) == ("error", "sample_rate", 16_000)


async def test_a_patch_is_the_picture_at_its_bounds(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(25))
        await client.frames(20)
        answer = await client.ask("get_frame", "current_frame")
    x1, y1, x2, y2 = answer["bounds"]
    picture = cv2.imdecode(np.frombuffer(base64.b64decode(answer["frame_data"]), np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[:2] == (y2 - y1, x2 - x1)


async def test_stats_tell_what_waits(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        before = await client.ask("get_stats", "stats")
        assert (before["audio_buffer_fill"], before["frame_buffer_fill"]) == (0, 0)
        assert (before["can_generate"], before["current_model"]) == (False, "tiny")
        await client.speak(speech(200), chunk_bytes=40_000)
        # As many frames are made as a session may have under way; the audio behind them waits.
        limit = pipeline.gateway.settings.in_flight_frames
        stats = await client.stats(lambda stats: stats["frame_buffer_fill"] >= limit)
        assert limit <= stats["frame_buffer_fill"] <= limit + 5
        assert 200 - limit - 5 <= stats["audio_buffer_fill"] <= 200 - limit + 1
        assert stats["can_generate"] is False
        assert len(await client.frames(200)) == 200


async def test_a_client_that_stops_asking_gets_the_present_on_its_return(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "AWAY_AFTER_S", 0.3)
    limit = pipeline.gateway.settings.in_flight_frames
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        assert (await client.ask("get_frame", "current_frame"))["frame_data"] is None
        await client.speak(speech(200))
        await client.frames(1)

        def is_over(stats: dict[str, Any]) -> bool:
            fill = stats["frame_buffer_fill"]
            return fill < limit and stats["frames_dropped"] + fill == 199

        rest = await client.frames((await client.stats(is_over))["frame_buffer_fill"])
    assert [frame["frame_id"] for frame in rest] == list(range(200 - len(rest), 200))


async def test_more_audio_than_the_buffer_holds_is_refused_and_what_it_holds_is_kept(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line, "BUFFER_CHUNKS", 100)
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        limit = pipeline.gateway.settings.in_flight_frames
        await client.speak(speech(100))
        await client.stats(lambda stats: stats["frame_buffer_fill"] >= limit)
        error = await client.ask("audio_chunk", "current_frame", audio_data=base64.b64encode(speech(100)).decode())
        assert (error["code"], error["retryable"], error["limit"]) == ("at_capacity", True, 100)
        frames = await client.frames(100)
    assert [frame["frame_id"] for frame in frames] == list(range(100))


async def test_set_model_switches_the_avatar_and_an_unknown_one_is_refused(redis_server: str, tmp_path: Path) -> None:
    write_package(tmp_path, "tiny")
    write_package(tmp_path, "wide", width=320, height=192, seed=5)
    async with (
        running(redis_server, tmp_path, avatars=("tiny", "wide"), frame_deadline_ms=DEADLINE_MS) as pipeline,
        connect(pipeline.url) as socket,
    ):
        client = Client(socket)
        await client.speak(speech(30))
        assert {frame["model_name"] for frame in await client.frames(5)} == {"tiny"}
        error = await client.ask("set_model", "stats", model_name="nobody")
        assert (error["type"], error["code"], error["success"]) == ("error", "bad_input", False)
        assert error["error"] == "unknown avatar 'nobody'; known: tiny, wide"
        assert {frame["model_name"] for frame in await client.frames(5)} == {"tiny"}
        assert (await client.ask("set_model", "stats", model_name="wide"))["current_model"] == "wide"
        await client.speak(speech(30))
        frames = await client.frames(20)
        for frame in frames:
            picture = cv2.imdecode(np.frombuffer(base64.b64decode(frame["frame_data"]), np.uint8), cv2.IMREAD_COLOR)
            assert (frame["model_name"], picture.shape) == ("wide", (192, 320, 3))
        assert [frame["frame_id"] for frame in frames] == list(range(20))


async def test_the_reference_image_is_a_frame_of_the_template(pipeline: Pipeline, tiny_avatar: Avatar) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        answer = await client.ask("get_reference_image", "reference_image", model_name="tiny", request_id="r-7")
        assert (answer["request_id"], answer["model_name"]) == ("r-7", "tiny")
        assert answer["bounds"] == list(tiny_avatar.crops[0])
        picture = cv2.imdecode(np.frombuffer(base64.b64decode(answer["image_data"]), np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (160, 256, 3)
        unknown = await client.ask("get_reference_image", "reference_image", model_name="nobody", request_id="r-8")
        assert (unknown["success"], unknown["request_id"], unknown["code"]) == (False, "r-8", "bad_input")


@pytest.mark.parametrize(
    ("fields", "code"),
    [({}, "bad_message"), ({"audio_data": "%"}, "bad_audio"), ({"audio_data": "AA=="}, "bad_audio")],
)
async def test_bad_audio_costs_nothing(pipeline: Pipeline, fields: dict[str, str], code: str) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(10))
        await client.say("audio_chunk", **fields)
        assert (await client.heard("error"))["code"] == code
        await client.speak(speech(20)[len(speech(10)) :])
        assert len(await client.frames(20)) == 20


async def test_one_socket_may_mix_the_families(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(20))
        mouths = 0
        for _ in range(5):
            await socket.send(earlier.pack_request(binary.Request("reference", 1, speech(16))))
            await client.say("get_frame")
            await client.say("get_video_frame", frame_id=1)
        async with asyncio.timeout(30):
            while mouths < 10:
                message = await socket.recv()
                if isinstance(message, bytes):
                    assert isinstance(earlier.unpack(message), binary.Mouth if mouths % 2 == 0 else binary.VideoFrame)
                    mouths += 1


async def test_a_client_that_vanishes_leaves_nothing_that_stays(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        client = Client(socket)
        await client.speak(speech(50))
        await client.frames(1)
    await until(lambda: not pipeline.gateway.sessions)
    assert await what_stays(pipeline.redis) == []
