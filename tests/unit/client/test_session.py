"""The client's side of the protocol, against a scripted server on a real socket."""

import asyncio
import contextlib
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection

from lipstream_client import (
    Cleared,
    Ended,
    Frame,
    LipstreamClientError,
    Pong,
    Segment,
    SpeakEnded,
    SpeakStarted,
    Stats,
    Switched,
    connect,
)
from tests.authority import authority
from tests.unit.client.scripted_server import HELLO, STARTED, finish, greet, scripted, show, tell

STATS = {
    "type": "stats", "frames": 1, "concealed": 0, "in_flight": 2, "buffered_ms": 4.0, "latency_ms": {"p50": 9.0},
    "stages": {}, "of_a_later_version": 1,
}  # fmt: skip
LEAVE_S = 9
"""Quick: `websockets` itself waits 10 s for a server's goodbye."""


async def test_connect_says_hello_starts_and_carries_the_options() -> None:
    starts: list[dict[str, Any]] = []

    async def script(socket: ServerConnection) -> None:
        assert socket.subprotocol == "lipstream.v1"
        assert socket.request is not None
        assert socket.request.path == "/ws"
        starts.append(await greet(socket))
        await finish(socket, 0)

    async with scripted(script) as url:
        options: dict[str, Any] = {"avatar": "tiny", "sample_rate": 16_000, "pace": "lossless", "idle": "server"}
        async with connect(url, **options, quality=70) as session:
            assert (session.started.fps, session.started.width) == (25, 64)
            assert session.hello.avatars == ["tiny"]
        async with connect(url, output="patch", format="f32le", token="secret") as session:
            assert session.started.patch == [20, 16, 44, 40]
    assert starts[0] == {"type": "start", "v": 1, "format": "s16le", "output": "frame", **options, "quality": 70}
    assert (starts[1]["output"], starts[1]["format"], starts[1]["token"]) == ("patch", "f32le", "secret")


async def test_audio_is_cut_to_the_servers_largest_message_and_nothing_is_lost() -> None:
    messages: list[bytes] = []

    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        while isinstance(message := await socket.recv(), bytes):
            messages.append(message)
        await finish(socket, 0)

    pcm = bytes(range(256)) * 10
    async with scripted(script) as url, connect(url) as session:
        await session.send_audio(pcm)
        await session.end()
        assert [item async for item in session] == [Ended(0, 0)]
    assert b"".join(messages) == pcm
    assert [len(m) for m in messages] == [1000, 1000, 560]


async def test_commands_are_the_messages_of_the_protocol() -> None:
    heard: list[Any] = []

    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        while not heard or heard[-1]["type"] != "end":
            heard.append(json.loads(await socket.recv()))
        await finish(socket, 0)

    async with scripted(script) as url, connect(url) as session:
        await session.begin(7)
        await session.flush()
        await session.clear()
        await session.clear(shown=12)
        await session.switch("other")
        await session.ping()
        await session.ping("a")
        await session.end()
        assert [item async for item in session.frames()] == []
    assert heard == [
        {"type": "begin", "template": 7},
        {"type": "flush"},
        {"type": "clear"},
        {"type": "clear", "shown": 12},
        {"type": "switch", "avatar": "other"},
        {"type": "ping"},
        {"type": "ping", "id": "a"},
        {"type": "end"},
    ]


async def test_an_utterance_a_switch_and_a_pong_are_told_as_typed_events() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await tell(socket, "speak_started", segment=0, epoch=0, first_frame=0, template=3)
        await show(socket, 0)
        await tell(
            socket, "speak_ended", segment=0, epoch=0, first_frame=0, frames=1, concealed=0, position_ms=40.0,
            interrupted=False,
        )  # fmt: skip
        scene = {name: STARTED[name] for name in ("fps", "width", "height", "template_frames", "lookahead_ms")}
        await tell(socket, "switched", **scene, avatar="other", samples_per_frame=640, first_frame=1)
        await tell(socket, "pong", server_ms=5.0)
        await tell(socket, "pong", server_ms=6.0, id="a")
        await finish(socket, 1)

    async with scripted(script) as url, connect(url) as session:
        items = [item async for item in session]
        assert session.avatar == "other"
    assert items[0] == SpeakStarted(0, 0, 0, 3)
    assert items[2] == SpeakEnded(0, 0, 0, 1, 0, 40.0, False)
    assert isinstance(items[3], Switched)
    assert (items[3].avatar, items[3].first_frame) == ("other", 1)
    assert items[4:6] == [Pong(5.0), Pong(6.0, "a")]


async def test_float_audio_is_cut_between_samples() -> None:
    messages: list[bytes] = []

    async def script(socket: ServerConnection) -> None:
        await socket.send(json.dumps(HELLO | {"limits": {"message_max_bytes": 1_002}}))
        await socket.recv()
        await socket.send(json.dumps(STARTED | {"format": "f32le"}))
        while isinstance(message := await socket.recv(), bytes):
            messages.append(message)
        await finish(socket, 0)

    async with scripted(script) as url, connect(url, format="f32le") as session:
        await session.send_audio(bytes(2_400))
        with pytest.raises(LipstreamClientError, match="4 bytes a sample, got 6"):
            await session.send_audio(bytes(6))
        await session.end()
        [item async for item in session]
    assert [len(message) for message in messages] == [1_000, 1_000, 400]


async def test_frames_and_events_come_in_the_servers_order() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await tell(socket, "segment", segment=0, epoch=0, first_frame=0, template=3)
        await show(socket, 0)
        await tell(socket, "news_from_a_later_version", x=1)
        await tell(
            socket,
            "stats",
            frames=1,
            concealed=0,
            in_flight=2,
            buffered_ms=4.0,
            latency_ms={"p50": 9.0},
            stages={},
            extra=1,
        )
        await show(socket, 1)
        await finish(socket, 2)

    async with scripted(script) as url, connect(url) as session:
        items = [item async for item in session]
        assert [type(item) for item in items] == [Segment, Frame, Stats, Frame, Ended]
        assert session.stats == items[2]
        assert session.ended == Ended(2, 0)
        assert items[1] == Frame(0, 0, 0, 0, (0, 0, 64, 48), items[1].flags, b"jpeg")


async def test_after_clear_no_older_frame_is_given_out_even_before_the_server_confirms() -> None:
    cleared = asyncio.Event()

    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await show(socket, 0)
        await socket.recv()
        await show(socket, 1)
        await tell(socket, "cleared", epoch=1, next_frame=2, segment=0, position_ms=40.0)
        await show(socket, 1)
        await show(socket, 2, epoch=1)
        await finish(socket, 2)
        cleared.set()

    async with scripted(script) as url, connect(url) as session:
        first = await anext(session)
        await session.clear()
        rest = [item async for item in session]
    assert isinstance(first, Frame)
    assert [item.frame for item in rest if isinstance(item, Frame)] == [2]
    assert rest[0] == Cleared(1, 2, 0, 40.0)


async def test_with_two_clears_under_way_the_first_confirmation_lets_nothing_through() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.recv()
        await socket.recv()
        await tell(socket, "cleared", epoch=1, next_frame=0, segment=None, position_ms=None)
        await show(socket, 0, epoch=1)
        await tell(socket, "cleared", epoch=2, next_frame=1, segment=None, position_ms=None)
        await show(socket, 1, epoch=2)
        await finish(socket, 1)

    async with scripted(script) as url, connect(url) as session:
        await session.clear()
        await session.clear()
        assert [frame.frame async for frame in session.frames()] == [1]


async def test_an_error_of_the_server_is_raised_and_the_session_goes_on() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await tell(socket, "error", code="bad_audio", message="odd", field="audio", limit=2, retryable=False)
        await show(socket, 0)
        await finish(socket, 1)

    async with scripted(script) as url, connect(url) as session:
        with pytest.raises(LipstreamClientError, match="bad_audio: odd") as caught:
            await anext(session)
        assert (caught.value.code, caught.value.field, caught.value.limit) == ("bad_audio", "audio", 2)
        assert [frame.frame async for frame in session.frames()] == [0]


async def test_a_refused_start_is_raised_by_connect() -> None:
    async def script(socket: ServerConnection) -> None:
        await socket.send(json.dumps(HELLO))
        await socket.recv()
        await tell(socket, "error", code="bad_avatar", message="unknown avatar 'x'", field="avatar", retryable=False)
        await socket.close(1008)

    async with scripted(script) as url:
        with pytest.raises(LipstreamClientError, match="unknown avatar 'x'"):
            async with connect(url, avatar="x"):
                pytest.fail("the start was refused")


async def test_a_connection_that_ends_early_is_an_error_not_an_end() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await show(socket, 0)
        await socket.close(1013, "at capacity")

    async with scripted(script) as url, connect(url) as session:
        with pytest.raises(LipstreamClientError, match=r"at capacity.*1013") as caught:
            [frame async for frame in session.frames()]
    assert caught.value.retryable


async def test_a_frame_that_cannot_be_read_is_an_error() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await socket.send(b"rubbish")

    async with scripted(script) as url, connect(url) as session:
        with pytest.raises(LipstreamClientError, match="bad_frame"):
            await anext(session)


async def test_an_odd_number_of_bytes_is_refused_before_it_is_sent() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await finish(socket, 0)

    async with scripted(script) as url, connect(url) as session:
        with pytest.raises(LipstreamClientError, match="even number of bytes, got 3"):
            await session.send_audio(b"abc")


async def test_leaving_early_does_not_wait_for_frames_that_nobody_reads() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        for frame in range(10_000):
            await show(socket, frame, picture=bytes(10_000))

    async with scripted(script) as url:
        started_s = time.monotonic()
        async with connect(url) as session:
            await anext(session)
        assert time.monotonic() - started_s < LEAVE_S


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "127.0.0.1:3000", "ws://", "ws://127.0.0.1:port"])
async def test_what_is_no_websocket_address_is_named(url: str) -> None:
    with pytest.raises(LipstreamClientError, match="not a ws:// or wss:// address"):
        async with connect(url):
            pytest.fail("there is no such address")


async def test_an_unreachable_gateway_is_named() -> None:
    with pytest.raises(LipstreamClientError, match=r"cannot reach ws://127\.0\.0\.1:1") as caught:
        async with connect("ws://127.0.0.1:1"):
            pytest.fail("nobody listens on port 1")
    assert caught.value.retryable


async def test_a_web_server_that_is_no_gateway_is_named() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 11\r\n\r\nat capacity")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(LipstreamClientError, match="HTTP 503: at capacity") as caught:
            async with connect(url):
                pytest.fail("the server refused")
        assert caught.value.retryable


async def test_leaving_is_quick_even_when_the_server_does_not_read() -> None:
    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(socket.wait_closed(), 2 * LEAVE_S)

    async with scripted(script) as url:
        async with connect(url) as session:
            sender = asyncio.create_task(session.send_audio(bytes(8_000_000)))
            await asyncio.sleep(0.2)
            assert not sender.done()
            started_s = time.monotonic()
            sender.cancel()
        assert time.monotonic() - started_s < LEAVE_S


async def test_a_gateway_of_a_private_authority_is_trusted_by_who_names_it(tmp_path: Path) -> None:
    root, stranger = authority(tmp_path, "root"), authority(tmp_path, "stranger")
    own, tls = root.sign("gateway"), ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(own.file, own.key)

    async def script(socket: ServerConnection) -> None:
        await greet(socket)
        await finish(socket, 0)

    async with scripted(script, tls) as url:
        async with connect(url, ca_file=root.file) as session:
            assert [item async for item in session.frames()] == []
        for trusted in (None, stranger.file):
            with pytest.raises(LipstreamClientError, match="name the authority of its certificate") as refusal:
                async with connect(url, ca_file=trusted):
                    pytest.fail("an unknown authority was trusted")
            assert (refusal.value.code, refusal.value.retryable) == ("untrusted", False)
    for file in (tmp_path / "absent.pem", own.key):
        with pytest.raises(LipstreamClientError, match=f"{file} is no PEM of an authority"):
            async with connect(url, ca_file=file):
                pytest.fail("nothing was trusted")
