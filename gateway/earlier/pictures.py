"""Rectangles of finished pictures, and the template as the earlier clients ask for it; CPU work, off the event loop."""

import cv2
import numpy as np

from common.avatars.manifest import Manifest
from common.avatars.package import Avatar, Picture
from gateway.template import template_jpeg

Rect = tuple[int, int, int, int]

CROP_QUALITY = 95
"""JPEG quality of a mouth, as the earlier servers had it."""


def loop_position(manifest: Manifest, frame_id: int) -> int:
    """The template position at which frame `frame_id` of the endless loop lies: ids past the end go round."""
    template = manifest.image.template
    period = template.frames if template.loop == "cycle" else max(1, 2 * (template.frames - 1))
    return (frame_id - template.start) % period


def patch_shape(manifest: Manifest) -> str:
    """Height x width x channels of what the network paints."""
    width, height = manifest.image.inner
    return f"{height}x{width}x3"


def cut(jpeg: bytes, rect: Rect) -> bytes:
    """The rectangle x1, y1, x2, y2 (ends exclusive) of a JPEG, as JPEG."""
    x1, y1, x2, y2 = rect
    picture: Picture = np.asarray(cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_COLOR), dtype=np.uint8)
    encoded: bytes = cv2.imencode(".jpg", picture[y1:y2, x1:x2], [cv2.IMWRITE_JPEG_QUALITY, CROP_QUALITY])[1].tobytes()
    return encoded


def template_picture(avatar: Avatar, frame_id: int, video_type: str, quality: int) -> bytes:
    """A frame of the template loop as JPEG: whole (`full_body`), or its face alone."""
    index = avatar.manifest.template_index(loop_position(avatar.manifest, frame_id))
    whole = template_jpeg(avatar, index, quality)
    return whole if video_type == "full_body" else cut(whole, avatar.crops[index])
