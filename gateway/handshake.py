"""The life of a WebSocket: admitted or refused, greeted, started, served, closed with the right code."""

import asyncio
import logging
import uuid
from typing import Final

from starlette.websockets import WebSocket, WebSocketDisconnect

from common.avatars.package import Avatar
from common.errors import InputError, LipstreamError, ProtocolError
from common.tasks import stop
from gateway import earlier, messages
from gateway.connection import Connection
from gateway.context import Gateway
from gateway.doors.errors import UnauthorizedError
from gateway.messages import Start, dump
from gateway.template import template_jpeg
from gateway.wire import receive, report, text_of

log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 10.0
HELLO_AFTER_S: Final = 0.3
"""A client that did not ask for `lipstream.v1` may be an earlier one, which speaks first: it is given so long to."""


class StartMissingError(ProtocolError):
    """The client does not open a session."""

    close_code = 1008


async def serve(websocket: WebSocket, gateway: Gateway) -> None:
    """Speak `lipstream.v1`, or an earlier protocol, with one client until either side ends."""
    is_ours = messages.SUBPROTOCOL in websocket.scope.get("subprotocols", [])
    await websocket.accept(messages.SUBPROTOCOL if is_ours else None)
    session = uuid.uuid4().hex
    try:
        await _admit(websocket, gateway, session, is_ours)
    except WebSocketDisconnect:
        log.debug("session %s: the client has gone", session)
    except LipstreamError as error:
        await _close(websocket, gateway, error)
    except Exception:
        log.exception("session %s failed", session)
        await _close(websocket, gateway, LipstreamError("internal error; the server's log has the details"))


async def _admit(websocket: WebSocket, gateway: Gateway, session: str, is_ours: bool) -> None:
    caller = gateway.doors.recognise(websocket)
    if caller is not None:
        async with gateway.opened(session, caller):
            first = await _greeted(websocket, gateway, is_ours)
            await _converse(websocket, gateway, session, is_ours, first)
        return
    # The key may still come with `start`; until then it is no session and takes no place.
    await websocket.send_text(_hello(gateway))
    first = await _first(websocket)
    async with gateway.opened(session, gateway.doors.caller_of(_token(first))):
        await _converse(websocket, gateway, session, True, first)


async def _converse(websocket: WebSocket, gateway: Gateway, session: str, is_ours: bool, first: str | bytes) -> None:
    if not is_ours and earlier.is_earlier(first):
        await earlier.serve(websocket, gateway, session, first)
        return
    start, avatar = await _settle_start(websocket, gateway, session, first)
    quality = start.quality or gateway.settings.jpeg_quality
    if start.idle == "server" and start.output == "frame":
        # Decodes and encodes the template once, off the event loop, so that idle frames are at hand.
        await asyncio.to_thread(template_jpeg, avatar, 0, quality)
    await Connection(websocket, gateway, session, avatar, start, quality).run()


async def _greeted(websocket: WebSocket, gateway: Gateway, is_ours: bool) -> str | bytes:
    """The first message, after our `hello`; an earlier client, which would take that for its answer, gets none."""
    first = asyncio.create_task(_first(websocket))
    try:
        await asyncio.wait({first}, timeout=0 if is_ours else HELLO_AFTER_S)
        if is_ours or not first.done() or not earlier.is_earlier(first.result()):
            await websocket.send_text(_hello(gateway))
        return await first
    finally:
        await stop(first)


async def _first(websocket: WebSocket) -> str | bytes:
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            return await receive(websocket)
    except TimeoutError:
        raise StartMissingError(f"no `start` within {START_TIMEOUT_S:.0f} s", limit=START_TIMEOUT_S) from None


async def _settle_start(
    websocket: WebSocket, gateway: Gateway, session: str, message: str | bytes
) -> tuple[Start, Avatar]:
    """The client's `start`; a faulty one is answered and may be repeated."""
    while True:
        try:
            start = messages.parse(text_of(message))
            if not isinstance(start, Start):
                raise StartMissingError("the first message must be `start`", field="type")
            return start, gateway.use(session, start.avatar)
        except InputError as error:
            if error.close_code is not None:
                raise
            await report(websocket, gateway.metrics, error)
        message = await _first(websocket)


def _token(message: str | bytes) -> str:
    """The token of a client that must show one in its first message."""
    try:
        start = messages.parse(text_of(message))
    except InputError as error:
        raise StartMissingError(error.message, field=error.field, limit=error.limit) from error
    if not isinstance(start, Start) or start.token is None:
        raise UnauthorizedError(
            "this gateway needs a key or session token: as `start.token`, as `?token=`, or in an Authorization header",
            field="token",
        )
    return start.token


def _hello(gateway: Gateway) -> str:
    limits = {
        "message_max_bytes": gateway.settings.message_max_bytes,
        "sample_rate_min_hz": messages.SAMPLE_RATE_MIN_HZ,
        "sample_rate_max_hz": messages.SAMPLE_RATE_MAX_HZ,
    }
    return dump(
        "hello", protocol=messages.SUBPROTOCOL, v=1, version=gateway.version, auth=gateway.doors.needs_token,
        avatars=list(gateway.avatars), limits=limits,
    )  # fmt: skip


async def _close(websocket: WebSocket, gateway: Gateway, error: LipstreamError) -> None:
    try:
        await report(websocket, gateway.metrics, error)
        await websocket.close(error.close_code or 1011)
    except (WebSocketDisconnect, RuntimeError):
        log.debug("the client has gone before it heard: %s", error)
