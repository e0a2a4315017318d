"""Refuses other machines before anything is served, files of the console included."""

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.doors.doors import Doors
from gateway.doors.errors import ForbiddenError


def guard(app: ASGIApp, *, doors: Doors) -> ASGIApp:
    """Wrap an application; WebSockets are refused by the handshake, which can say why."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                doors.check_place(scope)
            except ForbiddenError as error:
                await JSONResponse({"error": error.as_dict()}, 403)(scope, receive, send)
                return
        await app(scope, receive, send)

    return wrapped
