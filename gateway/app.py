"""The HTTP and WebSocket routes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from importlib.resources import files
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from common import keys
from common.avatars.package import Avatar
from common.avatars.timeline import lookahead_samples
from common.errors import BusError
from common.media import SAMPLE_RATE_HZ
from common.redis_client import translated
from common.tasks import stop
from gateway.context import Gateway, template_jpeg
from gateway.handshake import serve

STAGES = ("audio", "inference", "compositor")
CACHE_DAY = {"Cache-Control": "public, max-age=86400"}


def build(gateway: Gateway) -> Starlette:
    """The application around one gateway."""
    console = Path(str(files("gateway") / "console"))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        inbox = asyncio.create_task(gateway.bus.run())
        yield
        await stop(inbox)
        await gateway.bus.close()

    async def websocket(socket: WebSocket) -> None:
        await serve(socket, gateway)

    def route(path: str, handler: Callable[[Gateway, Request], Awaitable[Response]]) -> Route:
        return Route(path, partial(handler, gateway))

    routes = [
        WebSocketRoute("/ws", websocket),
        Route("/healthz", _healthz),
        route("/readyz", _readyz),
        route("/metrics", _metrics),
        route("/api/avatars", _avatars),
        route("/api/avatars/{name}/template.mp4", _template),
        route("/api/avatars/{name}/thumbnail.jpg", _thumbnail),
        route("/api/avatars/{name}/frames/{index:int}.jpg", _frame),
        Route("/sample", lambda _: FileResponse(console / "sample.flac", media_type="audio/flac", headers=CACHE_DAY)),
        Mount("/", StaticFiles(directory=console, html=True)),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _healthz(_: Request) -> Response:
    return JSONResponse({"status": "alive"})


async def _readyz(gateway: Gateway, _: Request) -> Response:
    """Ready when Redis answers and every stage has a live worker; else what is missing."""
    try:
        missing = [stage for stage in STAGES if not await _has_worker(gateway, stage)]
    except BusError as error:
        return JSONResponse({"ready": False, "missing": ["redis"], "message": error.message}, status_code=503)
    if missing:
        return JSONResponse({"ready": False, "missing": missing}, status_code=503)
    return JSONResponse({"ready": True, "missing": []})


async def _has_worker(gateway: Gateway, stage: str) -> bool:
    with translated():
        async for _ in gateway.bus.redis.scan_iter(match=keys.worker(stage, "*"), count=1000):
            return True
    return False


async def _metrics(gateway: Gateway, _: Request) -> Response:
    return Response(generate_latest(gateway.metrics.registry), media_type=CONTENT_TYPE_LATEST)


async def _avatars(gateway: Gateway, _: Request) -> Response:
    return JSONResponse([_describe(avatar) for avatar in gateway.avatars.values()])


def _describe(avatar: Avatar) -> dict[str, object]:
    manifest = avatar.manifest
    template = manifest.image.template
    return {
        "name": avatar.name,
        "title": manifest.title,
        "fps": manifest.fps,
        "width": template.width,
        "height": template.height,
        "template_frames": template.frames,
        "lookahead_ms": lookahead_samples(manifest) * 1000 / SAMPLE_RATE_HZ,
    }


def _avatar(gateway: Gateway, request: Request) -> Avatar:
    """The avatar that a path names; only registered names are looked up, so no path reaches the disk."""
    avatar = gateway.avatars.get(request.path_params["name"])
    if avatar is None:
        raise HTTPException(404, f"unknown avatar; known: {', '.join(gateway.avatars)}")
    return avatar


async def _template(gateway: Gateway, request: Request) -> Response:
    avatar = _avatar(gateway, request)
    video = avatar.file(avatar.manifest.image.template.video)
    return FileResponse(video, media_type="video/mp4", headers=CACHE_DAY)


async def _thumbnail(gateway: Gateway, request: Request) -> Response:
    avatar = _avatar(gateway, request)
    if avatar.manifest.thumbnail is None:
        raise HTTPException(404, "this avatar has no thumbnail")
    return FileResponse(avatar.file(avatar.manifest.thumbnail), media_type="image/jpeg", headers=CACHE_DAY)


async def _frame(gateway: Gateway, request: Request) -> Response:
    avatar, index = _avatar(gateway, request), request.path_params["index"]
    frames = avatar.manifest.image.template.frames
    if index >= frames:
        raise HTTPException(404, f"the template has frames 0 to {frames - 1}")
    jpeg = await asyncio.to_thread(template_jpeg, avatar, index, gateway.settings.jpeg_quality)
    return Response(jpeg, media_type="image/jpeg", headers=CACHE_DAY)
