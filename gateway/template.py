"""The pictures of an idle avatar: its template's frames as JPEGs."""

import threading
from collections import OrderedDict
from concurrent.futures import Future
from typing import Final

import cv2

from common.avatars.package import Avatar

KEPT: Final = 16
"""Templates and qualities that are held encoded: some 60 kB a 720p frame, 16 MB for ten seconds. With more in use at
once, by sessions that the gateway shows the template to, each idle frame would decode a whole video."""

Jpegs = tuple[bytes, ...]

_LOCK: Final = threading.Lock()
_KEPT: Final["OrderedDict[tuple[Avatar, int], Future[Jpegs]]"] = OrderedDict()


def template_jpeg(avatar: Avatar, index: int, quality: int) -> bytes:
    """A template frame as JPEG.

    The first call for an avatar and quality decodes and encodes its whole video: call that one off the event loop.
    Whoever asks meanwhile waits for it.
    """
    key = (avatar, quality)
    with _LOCK:
        is_first = key not in _KEPT
        jpegs = _KEPT.setdefault(key, Future())
        _KEPT.move_to_end(key)
        while len(_KEPT) > KEPT:
            _KEPT.popitem(last=False)
    if is_first:
        _fill(jpegs, key)
    return jpegs.result()[index]


def _fill(jpegs: "Future[Jpegs]", key: tuple[Avatar, int]) -> None:
    try:
        jpegs.set_result(_encoded(*key))
    except Exception as error:
        jpegs.set_exception(error)
        with _LOCK:
            _KEPT.pop(key, None)


def _encoded(avatar: Avatar, quality: int) -> Jpegs:
    subsampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    flags = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, subsampling]
    return tuple(cv2.imencode(".jpg", picture, flags)[1].tobytes() for picture in avatar.template_frames())
