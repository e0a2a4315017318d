"""Holds a WebSocket client to a pace: not too many messages, and never so slow that frames pile up."""

import asyncio
import logging
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.doors.buckets import Bucket

log = logging.getLogger(__name__)


class SlowClientError(OSError):
    """The client takes nothing any more; ASGI servers report a lost connection as an OSError too."""


def hold_pace(app: ASGIApp, *, messages_per_s: int, slow_client_s: float) -> ASGIApp:
    """Wrap an application.

    Messages beyond the rate are read later, which slows their sender and loses nothing. A client that lets a message of
    ours wait for `slow_client_s` is cut off.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            await app(scope, receive, send)
            return
        bucket = Bucket(messages_per_s, messages_per_s, messages_per_s, time.monotonic())

        async def receive_paced() -> Message:
            message = await receive()
            await asyncio.sleep(bucket.owe(time.monotonic()))
            return message

        async def send_paced(message: Message) -> None:
            try:
                async with asyncio.timeout(slow_client_s):
                    await send(message)
            except TimeoutError:
                log.warning("a client took nothing for %.1f s: cut off", slow_client_s)
                _hang_up(send)
                raise SlowClientError("the client does not read") from None

        await app(scope, receive_paced, send_paced)

    return wrapped


def _hang_up(send: Send) -> None:
    """Drop the connection with all that waits to be sent.

    ASGI has no word for it, and a close message would wait behind the frames that the client does not take. The
    server's `send` is a method of its protocol, which knows the transport.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is not None:
        transport.abort()
