"""All avatars of the folder, offered or not; earlier clients call them models."""

import asyncio

from pydantic import BaseModel, Field
from starlette.responses import Response

from common.avatars.package import Avatar
from common.backlog import WorkerReport
from common.errors import AvatarError
from common.sessions import every
from gateway.context import Gateway
from gateway.http import files
from gateway.http.endpoint import Call, Endpoint
from gateway.http.workers import living

FULL_BODY = "full_body"
"""How earlier clients call the template video."""


class ModelEntry(BaseModel):
    name: str
    loaded: bool = Field(description="whether this gateway offers it to new sessions")
    available: bool = Field(description="whether its package is whole")
    title: str | None = None
    error: str | None = Field(None, description="what is wrong with the package")


class ModelList(BaseModel):
    models: list[ModelEntry]
    count: int


class ModelMetadata(BaseModel):
    name: str
    title: str
    licence: str
    loaded: bool
    frame_count: int
    fps: int
    width: int
    height: int
    bounds: tuple[int, int, int, int] = Field(
        description="of frame 0: xmin, ymin, xmax, ymax, in pixels, ends exclusive"
    )
    available_videos: tuple[str, ...]


class ModelStats(BaseModel):
    name: str
    loaded: bool
    sessions_here: int = Field(description="open sessions of this gateway that use it")
    sessions: int = Field(description="of all gateways")
    workers: list[WorkerReport] = Field(description="live workers that have it; counters cover all their avatars")


class StatusEntry(BaseModel):
    name: str
    available: bool
    loaded: bool
    path: str = Field(description="its manifest, within the folder of avatars")


class ModelsStatus(BaseModel):
    """The shape that earlier clients read."""

    models: list[StatusEntry]
    count: int


async def _list(call: Call) -> ModelList:
    names = await asyncio.to_thread(files.installed, call.gateway)
    entries = [await _entry(call.gateway, name) for name in names]
    return ModelList(models=entries, count=len(entries))


async def _entry(gateway: Gateway, name: str) -> ModelEntry:
    loaded = name in gateway.avatars
    try:
        avatar = await files.find(gateway, name)
    except AvatarError as error:
        return ModelEntry(name=name, loaded=loaded, available=False, error=error.message)
    return ModelEntry(name=name, loaded=loaded, available=True, title=avatar.manifest.title)


async def _status(call: Call) -> ModelsStatus:
    entries = [
        StatusEntry(name=e.name, available=e.available, loaded=e.loaded, path=f"{e.name}/avatar.json")
        for e in (await _list(call)).models
    ]
    return ModelsStatus(models=entries, count=len(entries))


async def _found(call: Call) -> Avatar:
    return await files.find(call.gateway, call.request.path_params["name"])


async def _metadata(call: Call) -> ModelMetadata:
    avatar = await _found(call)
    manifest = avatar.manifest
    template = manifest.image.template
    return ModelMetadata(
        name=avatar.name, title=manifest.title, licence=manifest.licence, loaded=avatar.name in call.gateway.avatars,
        frame_count=template.frames, fps=manifest.fps, width=template.width, height=template.height,
        bounds=avatar.crops[0], available_videos=(FULL_BODY,),
    )  # fmt: skip


async def _stats(call: Call) -> ModelStats:
    gateway, avatar = call.gateway, await _found(call)
    redis = gateway.bus.redis
    sessions = await every(redis)
    return ModelStats(
        name=avatar.name,
        loaded=avatar.name in gateway.avatars,
        sessions_here=gateway.sessions_with(avatar.name),
        sessions=sum(record.avatar == avatar.name for record in sessions.values()),
        workers=[worker for worker in await living(redis) if avatar.name in worker.avatars],
    )


async def _frame(call: Call) -> Response:
    return await files.frame(call.gateway, await _found(call), call.request.path_params["index"])


async def _video(call: Call) -> Response:
    return files.video(await _found(call))


ENDPOINTS = (
    Endpoint("/api/models", _list, "All avatars of the folder, with whether they are offered.", ModelList),
    Endpoint("/api/models/status", _status, "The same, in the shape of earlier servers.", ModelsStatus),
    Endpoint("/api/models/{name}", _metadata, "Size, length, bounds and videos of one.", ModelMetadata),
    Endpoint("/api/models/{name}/stats", _stats, "Its sessions and the workers that have it.", ModelStats),
    Endpoint("/api/models/{name}/frames/{index:int}.jpg", _frame, "One template frame.", "image/jpeg"),
    Endpoint("/api/model-video/{name}", _video, "The template video, with ranges.", "video/mp4"),
)
