"""The single-mouth family over the wire: the right mouth for the audio that was sent, and errors that can be read."""

import asyncio
import base64
import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import cv2
import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect

from common.avatars.package import Avatar, load
from common.contracts import Task
from common.frames import FrameHeader
from common.jobs import Job
from common.settings import Settings
from gateway.earlier import binary, single
from tests import earlier
from tests.pipeline import Pipeline, running, until, what_stays, workers_have_left
from workers.audio.stage import samples_of_task
from workers.offline.render import load_stages

CHUNK_SAMPLES = 960
WINDOW_SAMPLES = 16 * CHUNK_SAMPLES


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder, avatars=("tiny", "reference"), message_max_bytes=100_000) as made:
        yield made


def speech(samples: int = WINDOW_SAMPLES, seed: int = 1) -> bytes:
    noise = np.random.default_rng(seed).normal(size=samples)
    return (noise * 6_000).clip(-32768, 32767).astype("<i2").tobytes()


def picture_of(jpeg: bytes) -> NDArray[np.uint8]:
    return np.asarray(cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)


async def answered(socket: ClientConnection) -> binary.Answer:
    """The next binary answer."""
    async with asyncio.timeout(60):
        while True:
            message = await socket.recv()
            if isinstance(message, bytes):
                assert message, "an empty answer tells a client nothing"
                return earlier.unpack(message)


async def told(socket: ClientConnection) -> dict[str, Any]:
    """The next JSON answer; greetings and broadcasts are passed over."""
    async with asyncio.timeout(60):
        while True:
            message = await socket.recv()
            if isinstance(message, str) and (content := json.loads(message)).get("type") not in ("hello", "stats"):
                return dict(content)


async def test_a_client_that_speaks_first_hears_its_answer_first(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await socket.send('{"type":"list_models"}')
        assert json.loads(await socket.recv())["type"] == "model_list"


async def test_a_client_that_waits_is_greeted_all_the_same(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        assert json.loads(await socket.recv())["type"] == "hello"


async def mouth(socket: ClientConnection, audio: bytes, *, model: str = "tiny", frame_id: int = 0) -> binary.Mouth:
    await socket.send(earlier.pack_request(binary.Request(model, frame_id, audio)))
    answer = await answered(socket)
    assert isinstance(answer, binary.Mouth), answer
    assert answer.frame_id == frame_id
    return answer


def rendered(avatar: Avatar, audio: bytes, frame_id: int) -> tuple[bytes, tuple[int, ...]]:
    """The same mouth by the stages' own functions, without Redis and gateway."""
    stages = load_stages(avatar, Settings(avatars=(avatar.name,)))
    window = single.window_of(avatar.manifest, audio)
    pcm = b"".join(append.pcm for append in window.appends)
    template = single.loop_position(avatar.manifest, frame_id)
    task = Task(
        session="offline-0", gateway="offline", avatar=avatar.name, epoch=0, base=0, first=window.frame, count=1,
        samples=window.samples, template=template, quality=95, output="patch", ingest_ms=0, deadline_ms=0, sent_ms=0,
    )  # fmt: skip
    span = samples_of_task(avatar.manifest, task)
    payload = pcm[2 * span.start : 2 * span.stop]
    for process in (stages.audio, stages.inference, stages.compositor):
        [[payload]] = process([Job(task, payload)])
    header, picture = FrameHeader.unpack(payload)
    return picture, header.bounds


@pytest.mark.parametrize("name", ["tiny", "reference"])
async def test_the_mouth_is_the_pipelines_own_for_the_middle_of_the_window(
    pipeline: Pipeline, avatars_folder: Path, name: str
) -> None:
    avatar = load(avatars_folder, name)
    async with connect(pipeline.url) as socket:
        for frame_id in (0, 5):
            answer = await mouth(socket, speech(), model=name, frame_id=frame_id)
            expected, bounds = rendered(avatar, speech(), frame_id)
            assert answer.picture == expected
            assert answer.bounds == bounds == avatar.crops[frame_id]
            height, width = picture_of(answer.picture).shape[:2]
            assert (width, height) == (bounds[2] - bounds[0], bounds[3] - bounds[1])


async def test_the_audio_of_a_request_drives_its_mouth(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        loud, other = await mouth(socket, speech(seed=1)), await mouth(socket, speech(seed=2))
        silent, none = await mouth(socket, bytes(2 * WINDOW_SAMPLES)), await mouth(socket, b"")
        assert (await mouth(socket, speech(seed=1))).picture == loud.picture
    assert none.picture == silent.picture
    difference = np.abs(picture_of(loud.picture).astype(int) - picture_of(silent.picture))
    assert difference.max() > 20
    assert other.picture != loud.picture


async def test_only_the_audio_around_the_frame_counts_and_the_middle_is_after_eight_chunks(pipeline: Pipeline) -> None:
    quiet = bytes(2 * CHUNK_SAMPLES)
    async with connect(pipeline.url) as socket:
        silent = await mouth(socket, b"")
        here = await mouth(socket, quiet * 8 + speech(CHUNK_SAMPLES) + quiet * 7)
        far = await mouth(socket, quiet * 15 + speech(CHUNK_SAMPLES))
    assert here.picture != silent.picture
    assert far.picture == silent.picture, "the look-ahead of this avatar ends before the last chunk"


async def test_frame_ids_past_the_end_go_round_instead_of_failing(pipeline: Pipeline, tiny_avatar: Avatar) -> None:
    # 12 frames forth and back: 0 to 11, then 10 to 1.
    async with connect(pipeline.url) as socket:
        for frame_id, index in ((11, 11), (12, 10), (22, 0), (1_000, 10), (2**32 - 1, 3)):
            answer = await mouth(socket, speech(), frame_id=frame_id)
            assert answer.bounds == tiny_avatar.crops[index]


async def test_json_and_binary_give_the_same_mouth(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        by_bytes = await mouth(socket, speech(), frame_id=3)
        for field, kind in (("audio_override", {}), ("audio_data", {"type": "inference"})):
            encoded = base64.b64encode(speech()).decode()
            request = {"model_name": "tiny", "frame_id": 3, field: encoded, "request_id": 17} | kind
            await socket.send(json.dumps(request))
            answer = await told(socket)
            assert (answer["success"], answer["frame_id"], answer["request_id"]) == (True, 3, 17)
            assert base64.b64decode(answer["prediction_data"]) == by_bytes.picture
            assert tuple(answer["bounds"]) == by_bytes.bounds
            assert answer["prediction_shape"] == "64x96x3"
            assert {"processing_time_ms", "prepare_time_ms", "inference_time_ms", "composite_time_ms"} <= answer.keys()


async def test_many_requests_at_once_are_answered_in_their_order_and_do_not_mix(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as one, connect(pipeline.url) as two:
        alone = [await mouth(one, speech(seed=k), frame_id=k) for k in range(4)]
        for k in range(40):
            for socket in (one, two):
                await socket.send(earlier.pack_request(binary.Request("tiny", k % 4, speech(seed=k % 4))))
        for socket in (one, two):
            answers = [await answered(socket) for _ in range(40)]
            assert [answer.frame_id for answer in answers] == [k % 4 for k in range(40)]
            assert all(
                isinstance(answer, binary.Mouth) and answer.picture == alone[k % 4].picture
                for k, answer in enumerate(answers)
            )


GOOD = earlier.pack_request(binary.Request("tiny", 9, speech(320)))


@pytest.mark.parametrize(
    ("message", "frame_id", "words"),
    [
        (GOOD[:-1], 0, "bad_message: audio"),
        (GOOD + b"\0", 0, "bad_message: 1 bytes are left over"),
        (b"\x05", 0, "bad_message: name_len"),
        (b"", 0, "bad_message: name_len"),
        (struct.pack("<I", 2) + b"\xff\xfe" + bytes(8), 0, "bad_message: model_name is not UTF-8"),
        (earlier.pack_request(binary.Request("nobody", 9, b"")), 9, "bad_input: unknown avatar 'nobody'; known: tiny"),
        (earlier.pack_request(binary.Request("../tiny", 9, b"")), 9, "bad_input: unknown avatar"),
        (earlier.pack_request(binary.Request("tiny", 9, b"\0")), 9, "bad_audio: audio: PCM16"),
        (earlier.pack_request(binary.Request("tiny", 9, bytes(110_000))), 0, "bad_message: a message of"),
    ],
    ids=["cut", "too long", "one byte", "empty", "no UTF-8", "unknown", "path", "odd", "oversized"],
)  # fmt: skip
async def test_a_faulty_request_gets_an_error_that_can_be_read_and_the_socket_goes_on(
    pipeline: Pipeline, message: bytes, frame_id: int, words: str
) -> None:
    async with connect(pipeline.url) as socket:
        await mouth(socket, b"")
        await socket.send(message)
        answer = await answered(socket)
        assert isinstance(answer, binary.Failure)
        assert answer.frame_id == frame_id
        assert answer.message.startswith(words)
        await mouth(socket, b"")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"type": "inference", "frame_id": -1}, {"type": "error", "code": "bad_message", "frame_id": -1}),
        ({"model_name": "nobody", "frame_id": 4}, {"type": "error", "code": "bad_input", "frame_id": 4}),
        ({"frame_id": 4, "audio_override": "%"}, {"type": "error", "code": "bad_audio", "frame_id": 4}),
        ({"type": "get_metadata", "model_name": "x"}, {"type": "metadata", "code": "bad_input", "model_name": "x"}),
        (
            {"type": "get_video_frame", "model_name": "tiny", "frame_id": 1, "video_type": "rois_320"},
            {"type": "video_frame", "code": "bad_message", "frame_id": 1, "video_type": "rois_320"},
        ),
        ({"type": "dance"}, {"type": "error", "code": "bad_message"}),
        ("no JSON", {"type": "error", "code": "bad_message"}),
        ({"frame_id": 4, "audio_override": "A" * 99_000 + "%"}, {"type": "error", "code": "bad_audio"}),
        ({"frame_id": 4, "audio_override": "A" * 100_000}, {"type": "error", "code": "bad_message", "limit": 100_000}),
    ],
)
async def test_a_faulty_message_gets_a_typed_error_and_the_socket_goes_on(
    pipeline: Pipeline, message: dict[str, Any] | str, expected: dict[str, Any]
) -> None:
    async with connect(pipeline.url) as socket:
        await socket.send('{"type":"switch_to_binary"}')
        assert (await told(socket))["type"] == "protocol_ack"
        await socket.send(message if isinstance(message, str) else json.dumps(message))
        answer = await told(socket)
        assert expected.items() <= answer.items()
        assert (answer["success"], answer["retryable"]) == (False, False)
        assert answer["error"] == answer["message"]
        await mouth(socket, b"")


async def test_too_much_audio_for_one_mouth_is_refused(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline, connect(pipeline.url) as socket:
        await socket.send(earlier.pack_request(binary.Request("tiny", 9, bytes(single.AUDIO_MAX_BYTES + 2))))
        answer = await answered(socket)
        assert isinstance(answer, binary.Failure)
        assert answer.message.startswith("bad_audio: audio: 122882 bytes are too long for one mouth")


async def test_a_storm_of_nonsense_is_answered_message_by_message(pipeline: Pipeline) -> None:
    random = np.random.default_rng(11)
    async with connect(pipeline.url) as socket:
        await mouth(socket, b"")
        for _ in range(200):
            broken = bytearray(GOOD[: random.integers(len(GOOD))])
            broken[: random.integers(1, 4)] = random.bytes(4)
            await socket.send(bytes(broken))
            assert isinstance(await answered(socket), binary.Failure)
            await socket.send(json.dumps({"type": "inference", "frame_id": [float(random.normal())], "x": {}}))
            assert (await told(socket))["code"] == "bad_message"
        await mouth(socket, b"")


async def test_without_workers_the_client_is_told_to_try_again(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connect(pipeline.url) as socket:
        await mouth(socket, b"")
        for worker in pipeline.workers:
            worker.stopping.set()
        await workers_have_left(pipeline.redis)
        monkeypatch.setattr(single, "TIMEOUT_S", 0.4)
        await socket.send(earlier.pack_request(binary.Request("tiny", 8, b"")))
        answer = await answered(socket)
        assert isinstance(answer, binary.Failure)
        assert (answer.frame_id, answer.message[:12]) == (8, "task_failed:")
        await socket.send('{"frame_id": 8}')
        error = await told(socket)
        assert (error["code"], error["retryable"], error["frame_id"]) == ("task_failed", True, 8)


async def test_a_lost_notice_costs_no_mouth(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(pipeline.url) as socket:
        expected = await mouth(socket, speech())
        monkeypatch.setattr(type(pipeline.gateway.bus), "attach", lambda *_: None)
        assert (await mouth(socket, speech())).picture == expected.picture


async def test_the_models_and_their_pictures(pipeline: Pipeline, tiny_avatar: Avatar) -> None:
    async with connect(pipeline.url) as socket:
        await socket.send('{"type":"list_models"}')
        assert await told(socket) == {"type": "model_list", "models": ["tiny", "reference"], "count": 2}
        await socket.send('{"type":"get_models"}')
        assert await told(socket) == {"type": "models", "models": {"loaded_models": ["tiny", "reference"], "count": 2}}
        await socket.send('{"type":"get_metadata","model_name":"tiny"}')
        assert await told(socket) == {
            "type": "metadata", "success": True, "model_name": "tiny", "frame_count": 12,
            "available_videos": ["full_body", "crops_328", "face"], "audio_path": "",
            "bounds": list(tiny_avatar.crops[0]), "fps": 25, "width": 256, "height": 160,
        }  # fmt: skip
        for video_type, size in (("full_body", (256, 160)), ("crops_328", (96, 64)), ("face", (96, 64))):
            request = {"type": "get_video_frame", "model_name": "tiny", "frame_id": 10**6, "video_type": video_type}
            await socket.send(json.dumps(request))
            answer = await answered(socket)
            assert isinstance(answer, binary.VideoFrame)
            assert (answer.frame_id, answer.video_type) == (10**6, video_type)
            height, width = picture_of(answer.picture).shape[:2]
            assert (width, height) == size


async def test_a_mouth_fits_the_template_at_its_bounds(pipeline: Pipeline, tiny_avatar: Avatar) -> None:
    async with connect(pipeline.url) as socket:
        await socket.send('{"type":"get_video_frame","frame_id":4,"video_type":"full_body"}')
        whole = await answered(socket)
        assert isinstance(whole, binary.VideoFrame)
        painted = await mouth(socket, speech(), frame_id=4)
    x1, y1, x2, y2 = map(int, painted.bounds)
    assert (x1, y1, x2, y2) == tiny_avatar.crops[4]
    assert picture_of(whole.picture)[y1:y2, x1:x2].shape == picture_of(painted.picture).shape


async def test_stats_count_the_connections_own_requests(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        for _ in range(3):
            await mouth(socket, b"")
        await socket.send('{"frame_id": 1}')
        assert (await told(socket))["success"] is True
        await socket.send('{"type":"get_stats"}')
        stats = json.loads(await socket.recv())
        assert stats["type"] == "stats"
        assert (stats["total_requests"], stats["binary_requests"], stats["json_requests"]) == (4, 3, 1)
        assert (stats["binary_percentage"], stats["connected_clients"]) == (75.0, 1)
        assert stats["average_time_ms"] > 0
    async with httpx.AsyncClient(base_url=pipeline.http) as http:
        text = (await http.get("/metrics")).text
    assert 'lipstream_frames_total{kind="speech"} 4.0' in text
    assert "lipstream_frame_latency_seconds_count 4.0" in text


async def test_stats_are_broadcast_to_those_who_ask_for_mouths(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.earlier.conversation.STATS_INTERVAL_S", 0.1)
    async with connect(pipeline.url) as socket:
        await mouth(socket, b"")
        async with asyncio.timeout(60):
            stats = json.loads(await socket.recv())
        assert (stats["type"], stats["total_requests"]) == ("stats", 1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.4):
                await socket.recv()


async def test_requests_leave_no_keys_behind(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        for _ in range(3):
            await mouth(socket, speech())
        assert [key async for key in pipeline.redis.scan_iter("session:*")] == []
        for _ in range(10):
            await socket.send(earlier.pack_request(binary.Request("tiny", 1, speech())))
    await until(lambda: not pipeline.gateway.sessions)
    assert await what_stays(pipeline.redis) == []
