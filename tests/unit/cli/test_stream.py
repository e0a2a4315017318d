"""`lipstream stream` against a scripted gateway on a real socket."""

import json
import time
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.server import ServerConnection

from cli.stream import Request, chunks, stream
from common.errors import InputError, LipstreamError
from common.frames import Flag, FrameHeader
from tests.unit.client.scripted_server import HELLO, Script, finish, greet, scripted, show, tell
from workers.offline.media import Clip

JPEG = bytes(cv2.imencode(".jpg", np.full((48, 64, 3), 90, np.uint8))[1].tobytes())
STATS = {
    "type": "stats", "frames": 24, "concealed": 0, "in_flight": 1, "buffered_ms": 0.0,
    "latency_ms": {"p50": 12.0, "p95": 30.0}, "stages": {},
}  # fmt: skip


@pytest.fixture
def clip(speech: NDArray[np.int16]) -> Clip:
    return Clip(speech, 24_000)


async def hear(socket: ServerConnection) -> list[bytes]:
    """The audio up to the client's `end`."""
    messages = []
    while isinstance(message := await socket.recv(), bytes):
        messages.append(message)
    assert json.loads(message) == {"type": "end"}
    return messages


def gateway(heard: list[bytes], frames: int = 25) -> Script:
    """Takes everything, then sends `frames` frames, stats, and the end."""

    async def script(socket: ServerConnection) -> None:
        start = await greet(socket)
        assert (start["pace"], start["sample_rate"]) == ("lossless", 24_000)
        heard.extend(await hear(socket))
        await tell(socket, "segment", segment=0, epoch=0, first_frame=0, template=0)
        for frame in range(frames):
            await show(socket, frame, picture=JPEG)
        await socket.send(json.dumps(STATS))
        await finish(socket, frames)

    return script


async def test_the_whole_recording_is_sent_and_every_frame_is_kept(tmp_path: Path, clip: Clip) -> None:
    heard: list[bytes] = []
    output, folder = tmp_path / "out.mp4", tmp_path / "frames"
    async with scripted(gateway(heard)) as url:
        summary = await stream(Request(clip, url, "tiny", 20, False, output, folder))
    assert b"".join(heard) == clip.pcm
    assert {len(message) for message in heard} == {960}
    assert [path.read_bytes() for path in sorted(folder.iterdir())] == [JPEG] * 25
    with av.open(str(output)) as container:
        assert (container.streams.video[0].frames, len(container.streams.audio)) == (25, 1)
    report = json.loads(summary.as_json())
    assert (report["frames"], report["concealed"], report["duration_s"]) == (25, 0, 1.0)
    assert report["latency_ms"] == {"p50": 12.0, "p95": 30.0}
    assert report["realtime_factor"] == pytest.approx(1 / report["wall_s"], rel=0.05)


async def test_the_token_goes_with_the_start_and_nowhere_else(clip: Clip) -> None:
    starts = []

    async def script(socket: ServerConnection) -> None:
        assert socket.request is not None
        assert "secret" not in socket.request.path
        starts.append(await greet(socket))
        await hear(socket)
        await finish(socket, 0)

    async with scripted(script) as url:
        await stream(Request(clip, url, "tiny", 20, False, token="secret"))
        await stream(Request(clip, url, "tiny", 20, False))
    assert [start.get("token") for start in starts] == ["secret", None]


async def test_realtime_sends_no_chunk_before_it_would_have_been_spoken(clip: Clip) -> None:
    short, started_s = Clip(clip.samples[:7_200], 24_000), time.monotonic()
    sent_s = [time.monotonic() - started_s async for _ in chunks(short, 100, realtime=True)]
    assert all(sent >= due for sent, due in zip(sent_s, [0.1, 0.2, 0.3], strict=True))


async def test_the_last_chunk_may_be_shorter(clip: Clip) -> None:
    pieces = [piece async for piece in chunks(clip, 350, realtime=False)]
    assert [len(piece) // 2 for piece in pieces] == [8_400, 8_400, 7_200]
    assert b"".join(pieces) == clip.pcm


async def test_concealed_frames_are_counted_and_idle_ones_ignored(clip: Clip) -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await hear(socket)
        for flags in (Flag.IDLE, Flag.NONE, Flag.IDLE):
            await socket.send(FrameHeader(0, 0, 0, 0, (0, 0, 64, 48), flags).pack(JPEG))
        await socket.send(FrameHeader(0, 1, 40_000, 1, (0, 0, 64, 48), Flag.CONCEALED | Flag.LAST).pack(JPEG))
        await finish(socket, 2)

    async with scripted(script) as url:
        summary = await stream(Request(clip, url, "tiny", 20, False))
    assert (summary.frames, summary.concealed) == (2, 1)


async def test_a_missing_frame_is_an_error_not_a_shorter_video(tmp_path: Path, clip: Clip) -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await show(socket, 0, picture=JPEG)
        await show(socket, 2, picture=JPEG)
        await hear(socket)

    async with scripted(script) as url:
        with pytest.raises(LipstreamError, match="frame 1 is missing: frame 2 arrived in its place"):
            await stream(Request(clip, url, "tiny", 20, False, tmp_path / "out.mp4"))
    assert not (tmp_path / "out.mp4").exists()


async def test_fewer_frames_than_the_gateway_counts_are_an_error(clip: Clip) -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await hear(socket)
        await show(socket, 0, picture=JPEG)
        await finish(socket, 2)

    async with scripted(script) as url:
        with pytest.raises(LipstreamError, match="1 frames arrived, the gateway says 2"):
            await stream(Request(clip, url, "tiny", 20, False))


async def test_a_recording_that_was_cut_into_segments_is_an_error(clip: Clip) -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await hear(socket)
        for segment in range(2):
            await tell(socket, "segment", segment=segment, epoch=0, first_frame=segment, template=0)
            await show(socket, segment, picture=JPEG)
        await finish(socket, 2)

    async with scripted(script) as url:
        with pytest.raises(LipstreamError, match="cut the recording into 2 segments"):
            await stream(Request(clip, url, "tiny", 20, False))


async def test_what_the_gateway_refuses_is_the_users_mistake(clip: Clip) -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.send(json.dumps(HELLO))
        await socket.recv()
        await tell(socket, "error", code="bad_avatar", message="unknown avatar 'x'", field="avatar", retryable=False)
        await socket.close(1008)

    async with scripted(script) as url:
        with pytest.raises(InputError, match="unknown avatar 'x'") as caught:
            await stream(Request(clip, url, "x", 20, False))
    assert caught.value.field == "avatar"


async def test_a_gateway_that_is_not_there_is_a_fault_of_the_run(clip: Clip) -> None:
    with pytest.raises(LipstreamError, match=r"cannot reach ws://127\.0\.0\.1:1") as caught:
        await stream(Request(clip, "ws://127.0.0.1:1", "tiny", 20, False))
    assert not isinstance(caught.value, InputError)
