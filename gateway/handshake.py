"""The life of a WebSocket: admitted or refused, greeted, started, served, closed with the right code."""

import asyncio
import logging
import uuid
from typing import Final, NamedTuple

from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketDisconnected

from common.avatars.package import Avatar
from common.errors import InputError, LipstreamError, ProtocolError
from common.logging import about
from common.tasks import stop
from gateway import earlier, messages, resuming
from gateway.admission import OverloadError
from gateway.connection import Connection
from gateway.context import Gateway
from gateway.doors.caller import Caller
from gateway.doors.errors import UnauthorizedError
from gateway.http.errors import answer
from gateway.messages import Resume, Start, dump
from gateway.opening import is_recorded, start_of
from gateway.revival import Revival
from gateway.template import template_jpeg
from gateway.wire import receive, report, text_of

log = logging.getLogger(__name__)

START_TIMEOUT_S: Final = 10.0
HELLO_AFTER_S: Final = 0.3
"""A client that did not ask for `lipstream.v1` may be an earlier one, which speaks first: it is given so long to."""


class StartMissingError(ProtocolError):
    """The client does not open a session."""

    close_code = 1008


class Opening(NamedTuple):
    """A session that is to be served: a new one, or one that goes on."""

    session: str
    caller: Caller
    avatar: Avatar
    start: Start
    quality: int
    revival: Revival | None = None


async def serve(websocket: WebSocket, gateway: Gateway) -> None:
    """Speak `lipstream.v1`, or an earlier protocol, with one client until either side ends."""
    is_ours = messages.SUBPROTOCOL in websocket.scope.get("subprotocols", [])
    if not is_ours and "origin" not in websocket.headers:
        # A program that may know nothing of us; browsers would not let theirs read this.
        try:
            gateway.check_room()
        except OverloadError as error:
            gateway.metrics.refused.inc()
            await websocket.send_denial_response(answer(error))
            return
    await websocket.accept(messages.SUBPROTOCOL if is_ours else None)
    session = uuid.uuid4().hex
    with about(session=session):
        await _serve(websocket, gateway, session, is_ours)


async def _serve(websocket: WebSocket, gateway: Gateway, session: str, is_ours: bool) -> None:
    try:
        await _admit(websocket, gateway, session, is_ours)
    except (WebSocketDisconnect, WebSocketDisconnected):
        log.debug("session %s: the client has gone", session)
    except LipstreamError as error:
        await _close(websocket, gateway, error)
    except Exception:
        log.exception("session %s failed", session)
        await _close(websocket, gateway, LipstreamError("internal error; the server's log has the details"))


async def _admit(websocket: WebSocket, gateway: Gateway, session: str, is_ours: bool) -> None:
    """Until the first message has told who comes and for what, it is no session and takes no place."""
    caller = gateway.doors.recognise(websocket)
    first = await _greeted(websocket, gateway, is_ours or caller is None)
    if caller is not None and not is_ours and earlier.is_earlier(first):
        async with gateway.opened(session, caller):
            await earlier.serve(websocket, gateway, session, first)
        return
    opening = await _opening(websocket, gateway, session, caller, first)
    async with gateway.opened(opening.session, opening.caller, resumed=opening.revival is not None):
        gateway.use(opening.session, opening.avatar.name)
        gateway.metrics.resumed.inc(opening.revival is not None)
        with about(session=opening.session):  # a resumed one has its own
            await _converse(websocket, gateway, opening)


async def _converse(websocket: WebSocket, gateway: Gateway, opening: Opening) -> None:
    session, caller, avatar, start, quality, revival = opening
    if start.idle == "server" and start.output == "frame":
        # Decodes and encodes the template once, off the event loop, so that idle frames are at hand.
        await asyncio.to_thread(template_jpeg, avatar, 0, quality)
    ticket = await resuming.ticket_for(gateway, session, caller)
    await Connection(websocket, gateway, session, avatar, start, quality, ticket, revival).run()


async def _opening(
    websocket: WebSocket, gateway: Gateway, session: str, caller: Caller | None, message: str | bytes
) -> Opening:
    """What the client opens; a faulty `start` or `resume` is answered and may be repeated."""
    while True:
        try:
            match messages.parse(text_of(message)):
                case Start() as start:
                    caller = caller or gateway.doors.caller_of(_token(start))
                    avatar = gateway.offered(start.avatar, caller)
                    start = start.model_copy(update={"record": is_recorded(gateway.settings, start)})
                    return Opening(session, caller, avatar, start, start.quality or gateway.settings.jpeg_quality)
                case Resume() as resume:
                    return await _resumption(gateway, resume)
                case _:
                    raise StartMissingError("the first message must be `start` or `resume`", field="type")
        except InputError as error:
            if error.close_code is not None:
                raise
            if caller is None:
                raise StartMissingError(error.message, field=error.field, limit=error.limit) from error
            await report(websocket, gateway.metrics, error)
        message = await _first(websocket)


async def _resumption(gateway: Gateway, resume: Resume) -> Opening:
    ticket = await resuming.identify(gateway, resume)
    await resuming.take_over(gateway, ticket.session)
    stored = await resuming.find(gateway, ticket.session)
    revival = resuming.revival_of(gateway, stored, resume)
    avatar = gateway.avatars[revival.manifest.name]
    record = stored.record
    return Opening(ticket.session, ticket.caller, avatar, start_of(record, gateway.settings), record.quality, revival)


async def _greeted(websocket: WebSocket, gateway: Gateway, is_ours: bool) -> str | bytes:
    """The first message, after our `hello`.

    One that may be an earlier client, which would take that for its answer, is given time to speak first.
    """
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


def _token(start: Start) -> str:
    """The token of a client that must show one in its first message."""
    if start.token is None:
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
