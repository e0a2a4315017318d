"""The life of a WebSocket: admitted or refused, greeted, started, served, closed with the right code."""

import asyncio
import logging
import uuid

from starlette.websockets import WebSocket, WebSocketDisconnect

from common.avatars.package import Avatar
from common.errors import CapacityError, InputError, LipstreamError, ProtocolError
from gateway import messages
from gateway.connection import Connection
from gateway.context import Gateway, template_jpeg
from gateway.messages import Start, dump
from gateway.wire import receive, report, text_of

log = logging.getLogger(__name__)

START_TIMEOUT_S = 10.0


class StartMissingError(ProtocolError):
    """The client does not open a session."""

    close_code = 1008


async def serve(websocket: WebSocket, gateway: Gateway) -> None:
    """Speak `lipstream.v1` with one client until either side ends."""
    offered = websocket.scope.get("subprotocols", [])
    await websocket.accept(messages.SUBPROTOCOL if messages.SUBPROTOCOL in offered else None)
    session = uuid.uuid4().hex
    try:
        if gateway.is_full:
            gateway.metrics.refused.inc()
            raise CapacityError("this gateway is full; try again later", limit=gateway.settings.max_sessions)
        gateway.sessions.add(session)
        gateway.metrics.sessions.set(len(gateway.sessions))
        await _converse(websocket, gateway, session)
    except WebSocketDisconnect:
        log.debug("session %s: the client has gone", session)
    except LipstreamError as error:
        await _close(websocket, gateway, error)
    except Exception:
        log.exception("session %s failed", session)
        await _close(websocket, gateway, LipstreamError("internal error; the server's log has the details"))
    finally:
        gateway.sessions.discard(session)
        gateway.metrics.sessions.set(len(gateway.sessions))


async def _converse(websocket: WebSocket, gateway: Gateway, session: str) -> None:
    await websocket.send_text(_hello(gateway))
    start, avatar = await _await_start(websocket, gateway)
    quality = start.quality or gateway.settings.jpeg_quality
    if start.idle == "server":
        # Decodes and encodes the template once, off the event loop, so that idle frames are at hand.
        await asyncio.to_thread(template_jpeg, avatar, 0, quality)
    await Connection(websocket, gateway, session, avatar, start, quality).run()


async def _await_start(websocket: WebSocket, gateway: Gateway) -> tuple[Start, Avatar]:
    """The client's `start`; a faulty one is answered and may be repeated."""
    while True:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                message = await receive(websocket)
        except TimeoutError:
            raise StartMissingError(f"no `start` within {START_TIMEOUT_S:.0f} s", limit=START_TIMEOUT_S) from None
        try:
            return _check_start(gateway, messages.parse(text_of(message)))
        except InputError as error:
            if error.close_code is not None:
                raise
            await report(websocket, gateway.metrics, error)


def _check_start(gateway: Gateway, message: messages.ClientMessage) -> tuple[Start, Avatar]:
    if not isinstance(message, Start):
        raise StartMissingError("the first message must be `start`", field="type")
    if message.avatar not in gateway.avatars:
        known = ", ".join(gateway.avatars)
        raise InputError(f"unknown avatar '{message.avatar}'; known: {known}", field="avatar")
    return message, gateway.avatars[message.avatar]


def _hello(gateway: Gateway) -> str:
    limits = {
        "message_max_bytes": gateway.settings.message_max_bytes,
        "sample_rate_min_hz": messages.SAMPLE_RATE_MIN_HZ,
        "sample_rate_max_hz": messages.SAMPLE_RATE_MAX_HZ,
    }
    return dump(
        "hello", protocol=messages.SUBPROTOCOL, version=gateway.version, avatars=list(gateway.avatars), limits=limits
    )


async def _close(websocket: WebSocket, gateway: Gateway, error: LipstreamError) -> None:
    try:
        await report(websocket, gateway.metrics, error)
        await websocket.close(error.close_code or 1011)
    except (WebSocketDisconnect, RuntimeError):
        log.debug("the client has gone before it heard: %s", error)
