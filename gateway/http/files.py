"""Files of avatar packages: only names of the registry are looked up, so no path reaches the disk."""

import asyncio
from typing import Final

from starlette.responses import FileResponse, Response

from common.avatars.package import Avatar, default_folder, load, names
from gateway.context import Gateway
from gateway.http.errors import NotFoundError
from gateway.template import template_jpeg

CACHE_DAY: Final = {"Cache-Control": "private, max-age=86400"}


def installed(gateway: Gateway) -> list[str]:
    """The names of all avatars in the folder, offered or not."""
    return names(gateway.settings.avatars_dir or default_folder())


async def find(gateway: Gateway, name: str) -> Avatar:
    """An avatar of the folder, offered or not.

    Raises
    ------
    NotFoundError, AvatarError
        There is none of that name; its package is broken.
    """
    if avatar := gateway.avatars.get(name):
        return avatar
    known = await asyncio.to_thread(installed, gateway)
    if name not in known:
        raise unknown(known)
    return await asyncio.to_thread(load, gateway.settings.avatars_dir or default_folder(), name)


def unknown(known: list[str]) -> NotFoundError:
    return NotFoundError(f"unknown avatar; known: {', '.join(known)}", field="name")


def video(avatar: Avatar) -> FileResponse:
    """The template video; answers ranges (206, 416) and knows ETag and If-Range."""
    path = avatar.file(avatar.manifest.image.template.video)
    return FileResponse(path, media_type="video/mp4", headers=CACHE_DAY)


async def frame(gateway: Gateway, avatar: Avatar, index: int) -> Response:
    """A template frame as JPEG.

    Raises
    ------
    NotFoundError
        The template has no such frame.
    """
    frames = avatar.manifest.image.template.frames
    if index >= frames:
        raise NotFoundError(f"the template has frames 0 to {frames - 1}", field="index", limit=frames - 1)
    jpeg = await asyncio.to_thread(template_jpeg, avatar, index, gateway.settings.jpeg_quality)
    return Response(jpeg, media_type="image/jpeg", headers=CACHE_DAY)
