"""The pace that a WebSocket client is held to."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from gateway.doors.pace import SlowClientError, hold_pace

SOCKET: Scope = {"type": "websocket"}


class Server:
    """What a server's `send` is bound to."""

    def __init__(self) -> None:
        self.transport = self
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    async def send(self, _: Message) -> None:
        await asyncio.Event().wait()


async def nothing() -> Message:
    return {"type": "websocket.receive"}


def sending(count: int) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(count):
            await send({"type": "websocket.send"})

    return app


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    server = Server()
    with pytest.raises(SlowClientError):
        await hold_pace(sending(1), messages_per_s=1, slow_client_s=0.05)(SOCKET, nothing, server.send)
    assert server.aborted


async def test_a_client_that_takes_a_little_stays() -> None:
    taken: list[Message] = []

    async def slowly(message: Message) -> None:
        await asyncio.sleep(0.02)
        taken.append(message)

    await hold_pace(sending(5), messages_per_s=1, slow_client_s=30)(SOCKET, nothing, slowly)
    assert len(taken) == 5


async def test_too_many_messages_are_read_later_and_all_of_them() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for _ in range(60):
            await receive()

    started_s = time.monotonic()
    await hold_pace(app, messages_per_s=50, slow_client_s=1)(SOCKET, nothing, Server().send)
    assert time.monotonic() - started_s >= 0.19


async def test_plain_requests_are_left_alone() -> None:
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.extend((receive, send))

    send = Server().send
    await hold_pace(app, messages_per_s=1, slow_client_s=1)({"type": "http"}, nothing, send)
    assert seen == [nothing, send]
