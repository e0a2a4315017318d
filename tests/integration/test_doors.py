"""The doors over real sockets: with keys and without."""

import asyncio
import contextlib
import json
import logging
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.pipeline import Pipeline, running, until

KEY, OTHER, SECRET = "app-secret-app-secret", "ops-secret-ops-secret", "0123456789abcdef0123456789abcdef"
LOCKED = {"api_keys": f"app:{KEY},ops:{OTHER}", "session_secret": SECRET}
BEARER = {"Authorization": f"Bearer {KEY}"}
START = {"type": "start", "avatar": "tiny", "sample_rate": 16_000, "pace": "lossless"}
OURS: Any = ["lipstream.v1"]


@pytest.fixture
async def pipeline(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder) as made:
        yield made


@pytest.fixture
async def locked(redis_server: str, avatars_folder: Path) -> AsyncIterator[Pipeline]:
    async with running(redis_server, avatars_folder, avatars=("tiny", "reference"), **LOCKED) as made:
        yield made


async def heard(link: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of a kind; others before it are passed over."""
    async with asyncio.timeout(60):
        while True:
            message = await link.recv()
            if isinstance(message, str) and (content := json.loads(message))["type"] == kind:
                return dict(content)


async def starts(link: ClientConnection, **changes: Any) -> dict[str, Any]:
    await link.send(json.dumps(START | changes))
    return await heard(link, "started")


async def refused(link: ClientConnection) -> tuple[str, int]:
    """The code of the error and that of the close."""
    error = await heard(link, "error")
    with pytest.raises(ConnectionClosed) as caught:
        async with asyncio.timeout(60):
            await link.recv()
    assert caught.value.rcvd is not None
    return error["code"], caught.value.rcvd.code


async def session_token(pipeline: Pipeline, **body: Any) -> str:
    async with httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http:
        answer = await http.post("/api/session-tokens", json=body, headers=BEARER)
        return str(answer.json()["token"])


async def test_without_keys_this_machine_needs_none(pipeline: Pipeline) -> None:
    async with connect(pipeline.url, subprotocols=OURS) as link:
        assert (await heard(link, "hello"))["auth"] is False
        await starts(link)
    async with connect(pipeline.url, subprotocols=OURS, additional_headers=BEARER) as link:
        await starts(link, token="whatever it is, nobody asked for it")


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": "http://localhost:1"}],
    ids=["foreign", "file", "another port"],
)
async def test_a_foreign_page_may_not_connect(pipeline: Pipeline, headers: dict[str, str]) -> None:
    async with connect(pipeline.url, subprotocols=OURS, additional_headers=headers) as link:
        assert await refused(link) == ("forbidden", 1008)
    assert not pipeline.gateway.sessions


async def test_the_gateways_own_page_may_connect(pipeline: Pipeline) -> None:
    async with connect(pipeline.url, subprotocols=OURS, additional_headers={"Origin": pipeline.http}) as link:
        await starts(link)


async def test_with_keys_a_session_needs_one(locked: Pipeline) -> None:
    async with connect(locked.url, subprotocols=OURS) as link:
        assert (await heard(link, "hello"))["auth"] is True
        assert not locked.gateway.sessions
        await link.send(json.dumps(START))
        assert await refused(link) == ("unauthorized", 1008)


async def test_a_key_comes_in_a_header_in_the_address_or_in_start(locked: Pipeline) -> None:
    async with connect(locked.url, subprotocols=OURS, additional_headers=BEARER) as link:
        await starts(link)
    async with connect(f"{locked.url}?token={KEY}", subprotocols=OURS) as link:
        await starts(link)
    async with connect(locked.url, subprotocols=OURS) as link:
        await starts(link, token=KEY)


async def test_a_wrong_key_is_refused_wherever_it_comes(locked: Pipeline) -> None:
    async with connect(locked.url, additional_headers={"Authorization": "Bearer wrong"}) as link:
        assert await refused(link) == ("unauthorized", 1008)
    async with connect(f"{locked.url}?token=wrong") as link:
        assert await refused(link) == ("unauthorized", 1008)
    async with connect(locked.url) as link:
        await link.send(json.dumps(START | {"token": "wrong"}))
        assert await refused(link) == ("unauthorized", 1008)


async def test_no_key_or_token_reaches_the_log(locked: Pipeline, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    token = await session_token(locked)
    for secret in (KEY, token, "wrong-" + KEY):
        async with connect(f"{locked.url}?token={secret}", subprotocols=OURS) as link:
            await heard(link, "error" if secret.startswith("wrong") else "hello")
    ours = "".join(r.getMessage() for r in caplog.records if not r.name.startswith(("websockets.client", "httpcore")))
    assert "[accepted]" in ours
    assert KEY not in ours
    assert token not in ours


async def test_a_token_opens_its_avatar_and_no_other(locked: Pipeline) -> None:
    token = await session_token(locked, avatar="tiny")
    async with connect(locked.url, subprotocols=OURS) as link:
        await link.send(json.dumps(START | {"avatar": "reference", "token": token}))
        error = await heard(link, "error")
        assert (error["code"], error["field"], error["retryable"]) == ("forbidden", "avatar", False)
        await starts(link)


async def test_a_token_opens_so_many_sessions_at_once(locked: Pipeline) -> None:
    token = await session_token(locked, sessions=1)
    async with connect(f"{locked.url}?token={token}") as first, connect(f"{locked.url}?token={token}") as second:
        await starts(first)
        await second.send(json.dumps(START))
        assert await refused(second) == ("limit_reached", 1013)
    await until(lambda: not locked.gateway.sessions)
    async with connect(f"{locked.url}?token={token}") as third:
        await starts(third)


async def test_a_key_opens_so_many_sessions_at_once_and_others_are_not_touched(
    redis_server: str, avatars_folder: Path
) -> None:
    async with (
        running(redis_server, avatars_folder, sessions_per_key=1, **LOCKED) as made,
        connect(f"{made.url}?token={KEY}") as first,
        connect(f"{made.url}?token={KEY}") as second,
        connect(f"{made.url}?token={OTHER}") as other,
    ):
        await starts(first)
        await second.send(json.dumps(START))
        assert await refused(second) == ("limit_reached", 1013)
        await starts(other)


async def test_a_key_begins_so_many_sessions_a_minute(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, starts_per_minute=1, **LOCKED) as made:
        async with connect(f"{made.url}?token={KEY}") as first:
            await starts(first)
        async with connect(f"{made.url}?token={KEY}") as second:
            await second.send(json.dumps(START))
            assert await refused(second) == ("limit_reached", 1013)


async def test_an_operator_ends_a_session_and_its_client_is_told(locked: Pipeline) -> None:
    async with (
        connect(f"{locked.url}?token={OTHER}", subprotocols=OURS) as link,
        httpx.AsyncClient(timeout=60, base_url=locked.http, headers=BEARER) as http,
    ):
        sid = (await starts(link))["session"]
        (listed,) = (await http.get("/api/sessions")).json()["sessions"]
        assert (listed["id"], listed["avatar"], listed["here"]) == (sid, "tiny", True)
        assert (await http.delete(f"/api/sessions/{sid}")).status_code == 200
        assert await refused(link) == ("session_ended", 1008)
        await until(lambda: not locked.gateway.sessions)
        assert (await http.get(f"/api/sessions/{sid}")).status_code == 404


async def test_a_client_that_reads_nothing_is_cut_off(redis_server: str, avatars_folder: Path) -> None:
    start = START | {"idle": "server", "pace": "live", "quality": 95}
    async with (
        running(redis_server, avatars_folder, slow_client_s=0.5) as made,
        deaf(made.url, start),
    ):
        await until(lambda: made.gateway.sessions)
        await until(lambda: not made.gateway.sessions, timeout_s=60)
        assert not made.gateway.sessions


@contextlib.asynccontextmanager
async def deaf(url: str, message: dict[str, Any]) -> AsyncIterator[None]:
    """A client that upgrades, says one thing, and reads nothing of what follows."""
    place = urlsplit(url)
    with socket.socket() as link:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        link.connect((place.hostname, place.port))
        link.setblocking(False)
        loop = asyncio.get_running_loop()
        head = [
            f"GET /ws HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ]
        body = json.dumps(message).encode()
        assert len(body) < 126
        link.send("".join(head).encode())
        # What comes with the request is dropped: its answer is waited for, and no byte behind it is read.
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += await loop.sock_recv(link, 1)
        link.send(bytes([0x81, 0x80 | len(body), 0, 0, 0, 0]) + body)
        yield


async def test_a_sender_beyond_the_rate_is_slowed_and_loses_nothing(redis_server: str, avatars_folder: Path) -> None:
    async with (
        running(redis_server, avatars_folder, messages_per_s=50) as made,
        connect(made.url, subprotocols=OURS) as link,
    ):
        await starts(link)
        started_s = time.monotonic()
        for _ in range(100):
            await link.send(b"\1\0" * 160)
        await link.send(json.dumps({"type": "end"}))
        assert (await heard(link, "ended"))["frames"] == 25
        assert time.monotonic() - started_s >= 0.9


async def test_who_speaks_an_earlier_protocol_is_served_in_it(pipeline: Pipeline) -> None:
    async with connect(pipeline.url) as link:
        await link.send(json.dumps({"type": "list_models"}))
        assert (await heard(link, "model_list"))["models"] == ["tiny"]


async def test_an_earlier_client_needs_a_key_too(locked: Pipeline) -> None:
    async with connect(locked.url) as link:
        await link.send(json.dumps({"type": "list_models"}))
        assert (await refused(link))[1] == 1008
    async with connect(f"{locked.url}?token={KEY}") as link:
        await link.send(json.dumps({"type": "list_models"}))
        assert (await heard(link, "model_list"))["models"] == ["tiny", "reference"]


async def test_http_needs_a_key_where_sessions_do(locked: Pipeline) -> None:
    async with httpx.AsyncClient(timeout=60, base_url=locked.http) as http:
        assert (await http.get("/")).status_code == 200
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/api/avatars")).status_code == 401
        assert (await http.get("/api/avatars", params={"token": KEY})).status_code == 401
        assert (await http.get("/api/avatars", headers=BEARER)).status_code == 200
