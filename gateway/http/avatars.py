"""The avatars that this gateway offers, and the files that a client needs to show them idle."""

import asyncio

from pydantic import BaseModel, RootModel
from starlette.responses import FileResponse, Response

from common.avatars.digest import AvatarDigest
from common.avatars.package import Avatar
from common.avatars.timeline import lookahead_samples
from common.media import SAMPLE_RATE_HZ
from gateway.http import files
from gateway.http.endpoint import Call, Endpoint
from gateway.http.errors import NotFoundError
from gateway.recorder import digest


class AvatarSummary(BaseModel):
    name: str
    title: str
    fps: int
    width: int
    height: int
    template_frames: int
    lookahead_ms: float
    has_thumbnail: bool


class AvatarList(RootModel[list[AvatarSummary]]):
    """Those offered to new sessions."""


def summary(avatar: Avatar) -> AvatarSummary:
    """What a client must know before it starts."""
    manifest = avatar.manifest
    template = manifest.image.template
    return AvatarSummary(
        name=avatar.name,
        title=manifest.title,
        fps=manifest.fps,
        width=template.width,
        height=template.height,
        template_frames=template.frames,
        lookahead_ms=lookahead_samples(manifest) * 1000 / SAMPLE_RATE_HZ,
        has_thumbnail=manifest.thumbnail is not None,
    )


async def _list(call: Call) -> AvatarList:
    return AvatarList([summary(avatar) for avatar in call.gateway.avatars.values()])


def _offered(call: Call) -> Avatar:
    avatar = call.gateway.avatars.get(call.request.path_params["name"])
    if avatar is None:
        raise files.unknown(list(call.gateway.avatars))
    return avatar


async def _template(call: Call) -> Response:
    return files.video(_offered(call))


async def _thumbnail(call: Call) -> Response:
    avatar = _offered(call)
    if avatar.manifest.thumbnail is None:
        raise NotFoundError("this avatar has no thumbnail", field="name")
    return FileResponse(avatar.file(avatar.manifest.thumbnail), media_type="image/jpeg", headers=files.CACHE_DAY)


async def _digest(call: Call) -> AvatarDigest:
    return await asyncio.to_thread(digest, _offered(call))


async def _frame(call: Call) -> Response:
    return await files.frame(call.gateway, _offered(call), call.request.path_params["index"])


ENDPOINTS = (
    Endpoint("/api/avatars", _list, "The avatars that new sessions may use.", AvatarList),
    Endpoint("/api/avatars/{name}/template.mp4", _template, "The template video, with ranges.", "video/mp4"),
    Endpoint("/api/avatars/{name}/thumbnail.jpg", _thumbnail, "A picture of the avatar.", "image/jpeg"),
    Endpoint("/api/avatars/{name}/digest", _digest, "SHA-256 of what its pictures depend on.", AvatarDigest),
    Endpoint("/api/avatars/{name}/frames/{index:int}.jpg", _frame, "One template frame.", "image/jpeg"),
)
