"""The application: the WebSocket, the table of endpoints, the console, and the doors around them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from common.errors import InputError
from common.settings import Settings
from common.tasks import stop
from gateway.context import Gateway
from gateway.doors.headers import add_headers
from gateway.doors.pace import hold_pace
from gateway.doors.secrecy import hide_url_token
from gateway.doors.threshold import guard
from gateway.handshake import serve
from gateway.http.endpoint import route
from gateway.http.errors import NotFoundError, answer
from gateway.http.table import ENDPOINTS
from gateway.traces import tracing
from gateway.watch import watch

CACHE_DAY = {"Cache-Control": "public, max-age=86400"}


def build(gateway: Gateway) -> Starlette:
    """The application around one gateway."""
    console = Path(str(files("gateway") / "console"))

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        inbox = asyncio.create_task(gateway.bus.run())
        watching = asyncio.create_task(watch(gateway))
        with tracing(gateway.settings) as gateway.bus.trace:
            async with httpx.AsyncClient() as app.state.http_client:
                yield
        await stop(inbox, watching)
        await gateway.bus.close()
        gateway.jobs.close()

    async def websocket(socket: WebSocket) -> None:
        await serve(socket, gateway)

    routes = [
        WebSocketRoute("/ws", websocket),
        *(route(gateway, endpoint) for endpoint in ENDPOINTS),
        Route("/sample", lambda _: FileResponse(console / "sample.flac", media_type="audio/flac", headers=CACHE_DAY)),
        Mount("/", StaticFiles(directory=console, html=True)),
    ]
    return Starlette(
        routes=routes,
        lifespan=lifespan,
        middleware=_middleware(gateway),
        exception_handlers={HTTPException: _http_error},
    )


def _middleware(gateway: Gateway) -> list[Middleware]:
    """From the outside in."""
    settings = gateway.settings
    return [
        Middleware(add_headers, speech_url=settings.openai_base_url),
        Middleware(hide_url_token),
        Middleware(hold_pace, messages_per_s=settings.messages_per_s, slow_client_s=settings.slow_client_s),
        Middleware(guard, doors=gateway.doors),
        *_cors(settings),
    ]


def _cors(settings: Settings) -> list[Middleware]:
    """What lets pages of other origins read answers; without any, browsers keep them out."""
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=[origin.rstrip("/") for origin in settings.allowed_origins],
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "Range", "If-Range"],
            expose_headers=["Accept-Ranges", "Content-Range", "ETag", "Retry-After"],
            max_age=600,
        )
    ]


async def _http_error(_: Request, error: Exception) -> Response:
    """Starlette's own refusals (no such path, no such method) in the shape of all others."""
    assert isinstance(error, HTTPException)
    fault = NotFoundError if error.status_code == 404 else InputError
    response = answer(fault(error.detail))
    response.status_code = error.status_code
    response.headers.update(error.headers or {})
    return response
