"""The gateway over the wire: bad input gets a typed error that names field and limit, and nobody else notices."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.pipeline import Pipeline, running, until, what_stays

START = {"type": "start", "avatar": "tiny", "sample_rate": 16_000, "pace": "lossless"}
SECOND = b"\1\0" * 16_000


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder, message_max_bytes=100_000) as made:
        yield made


async def heard(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind; frames and others before it are passed over."""
    async with asyncio.timeout(60):
        while True:
            message = await socket.recv()
            if isinstance(message, str) and (content := json.loads(message))["type"] == kind:
                return dict(content)


async def say(socket: ClientConnection, **message: Any) -> None:
    await socket.send(json.dumps(message))


async def started(socket: ClientConnection) -> dict[str, Any]:
    await heard(socket, "hello")
    await say(socket, **START)
    return await heard(socket, "started")


async def finishes(socket: ClientConnection, frames: int) -> None:
    """Whatever happened before, a second of audio still gives its frames."""
    await socket.send(SECOND)
    await say(socket, type="end")
    assert await heard(socket, "ended") == {"type": "ended", "frames": frames, "concealed": 0}


async def ready(http: httpx.AsyncClient, missing: list[str]) -> httpx.Response:
    """The answer of /readyz, once that is what is missing."""
    for _ in range(600):
        answer = await http.get("/readyz")
        if answer.json()["missing"] == missing:
            return answer
        await asyncio.sleep(0.05)
    raise AssertionError(answer.text)


async def test_hello_and_started_tell_what_a_client_must_know(pipeline: Pipeline) -> None:
    async with connect(pipeline.url, subprotocols=["lipstream.v1"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "lipstream.v1"
        hello = await heard(socket, "hello")
        assert (hello["protocol"], hello["avatars"]) == ("lipstream.v1", ["tiny"])
        assert hello["limits"]["message_max_bytes"] == 100_000
        await say(socket, **START)
        answer = await heard(socket, "started")
        assert (answer["fps"], answer["width"], answer["height"], answer["lookahead_ms"]) == (25, 256, 160, 212.5)
        await finishes(socket, 25)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (START | {"sample_rate": 7_999}, {"code": "bad_message", "field": "sample_rate", "limit": 8_000}),
        (START | {"sample_rate": 96_000}, {"code": "bad_message", "field": "sample_rate", "limit": 48_000}),
        (START | {"avatar": "nobody"}, {"code": "bad_input", "field": "avatar"}),
        (START | {"avatar": "../tiny"}, {"code": "bad_message", "field": "avatar"}),
        (START | {"colour": "red"}, {"code": "bad_message", "field": "colour"}),
    ],
)
async def test_a_faulty_start_is_answered_and_may_be_repeated(
    pipeline: Pipeline, message: dict[str, Any], expected: dict[str, Any]
) -> None:
    async with connect(pipeline.url) as socket:
        await heard(socket, "hello")
        await say(socket, **message)
        error = await heard(socket, "error")
        assert expected.items() <= error.items()
        assert error["retryable"] is False
        await say(socket, **START)
        await heard(socket, "started")
        await finishes(socket, 25)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b"\0" * 3, {"code": "bad_audio", "field": "audio"}),
        (b"\0" * 100_002, {"code": "bad_message", "field": "audio", "limit": 100_000}),
        ("hello", {"code": "bad_message"}),
        ('{"type":"start"}', {"code": "bad_message", "field": "type"}),
        ('{"type":"begin","template":-1}', {"code": "bad_message", "field": "template", "limit": 0}),
        ('{"type":"sing"}', {"code": "bad_message", "field": "type"}),
    ],
    ids=["odd bytes", "oversized", "text where audio is due", "second start", "bad template", "unknown type"],
)
async def test_bad_input_in_a_session_costs_neither_it_nor_its_neighbour_anything(
    pipeline: Pipeline, message: str | bytes, expected: dict[str, Any]
) -> None:
    async with connect(pipeline.url) as bad, connect(pipeline.url) as neighbour:
        await started(bad)
        await started(neighbour)
        await neighbour.send(SECOND)
        await bad.send(message)
        assert expected.items() <= (await heard(bad, "error")).items()
        await finishes(bad, 25)
        await finishes(neighbour, 50)


async def test_a_message_far_beyond_the_limit_closes_its_own_socket_only(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as bad, connect(pipeline.url) as neighbour:
        await started(bad)
        await started(neighbour)
        with contextlib.suppress(ConnectionClosed):  # it may be closed before all of it has left
            await bad.send(b"\0" * 1_000_000)
        with pytest.raises(ConnectionClosed) as caught:
            await heard(bad, "ended")
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1009
        await finishes(neighbour, 25)


async def test_audio_before_start_is_refused_and_anything_but_start_closes(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await socket.send(SECOND)
        assert (await heard(socket, "error"))["code"] == "bad_message"
        await say(socket, type="flush")
        with pytest.raises(ConnectionClosed) as caught:
            await heard(socket, "started")
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1008


async def test_audio_after_end_is_refused(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        await socket.send(SECOND)
        await say(socket, type="end")
        await socket.send(SECOND)
        messages = [json.loads(m) async for m in socket if isinstance(m, str)]
        assert [m["frames"] for m in messages if m["type"] == "ended"] == [25]


async def test_an_empty_segment_ends_at_once(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        await say(socket, type="flush")
        assert (await heard(socket, "speak_ended"))["frames"] == 0
        await finishes(socket, 25)


async def test_after_clear_no_frame_of_the_old_epoch_follows(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        for _ in range(3):
            await socket.send(SECOND)
        await say(socket, type="clear")
        cleared = await heard(socket, "cleared")
        assert cleared["epoch"] == 1
        await socket.send(SECOND)
        await say(socket, type="end")
        frames = [m for m in [message async for message in socket] if isinstance(m, bytes)]
        assert {int.from_bytes(m[8:12], "little") for m in frames} == {1}
        assert len(frames) == 25


async def test_the_gateway_sends_idle_frames_on_request(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await heard(socket, "hello")
        await say(socket, **(START | {"idle": "server", "pace": "live"}))
        async with asyncio.timeout(60):
            frames = [m for m in [await socket.recv() for _ in range(6)] if isinstance(m, bytes)]
        assert all(int.from_bytes(m[4:6], "little") == 1 for m in frames)
        assert [int.from_bytes(m[24:28], "little") for m in frames] == list(range(len(frames)))


async def test_a_live_session_ends_its_segment_at_a_pause(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await heard(socket, "hello")
        await say(socket, **(START | {"pace": "live"}))
        await socket.send(b"\1\0" * 1_600)
        assert (await heard(socket, "speak_ended"))["frames"] == 3


async def test_a_full_gateway_says_so_and_keeps_the_sessions_it_has(redis_server: str, avatars_folder: Path) -> None:
    async with (
        running(redis_server, avatars_folder, max_sessions=1) as pipeline,
        connect(pipeline.url) as first,
        connect(pipeline.url) as second,
    ):
        await started(first)
        await second.send('{"type": "start", "avatar": "tiny"}')
        error = await heard(second, "error")
        assert (error["code"], error["limit"], error["retryable"]) == ("at_capacity", 1, True)
        with pytest.raises(ConnectionClosed) as caught:
            await second.recv()
        assert caught.value.rcvd is not None
        assert caught.value.rcvd.code == 1013
        await finishes(first, 25)


async def test_a_program_that_does_not_know_us_is_refused_in_http(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, max_sessions=1) as pipeline, connect(pipeline.url) as first:
        await started(first)
        with pytest.raises(InvalidStatus) as refused:
            async with connect(pipeline.url):
                pytest.fail("there is no room")
    response = refused.value.response
    assert response.status_code == 503
    assert int(response.headers["Retry-After"]) >= 1
    assert json.loads(response.body or b"")["error"]["code"] == "at_capacity"


async def test_a_client_that_vanishes_leaves_nothing_that_stays(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        await socket.send(SECOND)
    await until(lambda: not pipeline.gateway.sessions)
    assert await what_stays(pipeline.redis) == []


async def test_every_key_of_a_session_expires_should_its_gateway_die(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        await socket.send(SECOND)
        await heard(socket, "speak_started")
        found = [key async for key in pipeline.redis.scan_iter("session:*")]
        assert len(found) == 4
        assert [key for key in found if await pipeline.redis.ttl(key) <= 0] == []


async def test_health_readiness_and_metrics(pipeline: Pipeline) -> None:
    async with httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http:
        assert (await http.get("/healthz")).json() == {"status": "alive"}
        await ready(http, missing=[])
        async with connect(pipeline.url) as socket:
            await started(socket)
            await finishes(socket, 25)
        text = (await http.get("/metrics")).text
        assert 'lipstream_frames_total{kind="speech"} 25.0' in text
        for stage in ("audio", "inference", "compositor"):
            assert f'lipstream_stage_work_seconds_count{{stage="{stage}"}}' in text


async def test_readiness_names_the_stage_that_is_missing(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        for worker in pipeline.workers:
            if worker.stage.name == "inference":
                worker.stopping.set()
        async with httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http:
            assert (await ready(http, missing=["inference"])).status_code == 503


@pytest.mark.parametrize("path", ["nobody", "..%2f..%2fetc", "%2e%2e", "tiny%00"])
async def test_no_name_in_a_path_reaches_the_disk(pipeline: Pipeline, path: str) -> None:
    async with httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http:
        for file in ("template.mp4", "thumbnail.jpg", "frames/0.jpg"):
            assert (await http.get(f"/api/avatars/{path}/{file}")).status_code == 404


async def test_the_avatars_files_are_served(pipeline: Pipeline) -> None:
    async with httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http:
        (avatar,) = (await http.get("/api/avatars")).json()
        assert (avatar["name"], avatar["fps"], avatar["template_frames"]) == ("tiny", 25, 12)
        video = await http.get("/api/avatars/tiny/template.mp4", headers={"Range": "bytes=0-9"})
        assert (video.status_code, len(video.content)) == (206, 10)
        frame = await http.get("/api/avatars/tiny/frames/11.jpg")
        assert frame.content[:2] == b"\xff\xd8"
        assert (await http.get("/api/avatars/tiny/frames/12.jpg")).status_code == 404


async def test_a_barge_in_is_heard_although_half_a_minute_of_audio_waits_before_it(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as socket:
        await started(socket)
        for _ in range(30):
            await socket.send(SECOND)
        await say(socket, type="clear")
        assert (await heard(socket, "cleared"))["next_frame"] < 25 * 25
        await finishes_after_clear(socket)


async def finishes_after_clear(socket: ClientConnection) -> None:
    await socket.send(SECOND)
    await say(socket, type="end")
    assert (await heard(socket, "speak_ended"))["frames"] == 25
