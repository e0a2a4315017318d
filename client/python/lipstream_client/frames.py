"""The binary messages of the server: a header of 40 bytes, little endian, then the picture."""

import struct
from enum import IntFlag
from typing import Final, NamedTuple

from lipstream_client.errors import LipstreamClientError

_LAYOUT: Final = struct.Struct("<2sBBHHIIQI4HI")
_MAGIC: Final = b"LS"
_VERSION: Final = 1
_JPEG: Final = 1


class Flag(IntFlag):
    """What is special about a frame."""

    NONE = 0
    IDLE = 1
    CONCEALED = 2
    LAST = 4


class Frame(NamedTuple):
    """One picture.

    `frame` counts the session's speech frames from 0, `pts_us` is its media time, `template` the template frame under
    the mouth, `bounds` (x1, y1, x2, y2; ends exclusive) the picture's place in the avatar, `picture` a JPEG. With
    `output="patch"` the picture is the mouth alone, to be drawn over that template frame, and that of an idle frame
    is empty.
    """

    epoch: int
    frame: int
    pts_us: int
    template: int
    bounds: tuple[int, int, int, int]
    flags: Flag
    picture: bytes


def parse_frame(message: bytes) -> Frame:
    """The frame in a binary message.

    Raises
    ------
    LipstreamClientError
        `bad_frame`: it is of another version or codec, or its length disagrees with its header.
    """
    if len(message) < _LAYOUT.size:
        raise LipstreamClientError("bad_frame", f"a frame has at least {_LAYOUT.size} bytes, got {len(message)}")
    fields = _LAYOUT.unpack_from(message)
    magic, version, codec, flags, length, epoch, frame, pts_us, template, x1, y1, x2, y2, size = fields
    if magic != _MAGIC or version != _VERSION:
        raise LipstreamClientError("bad_frame", "not a lipstream.v1 frame")
    if codec != _JPEG:
        raise LipstreamClientError("bad_frame", f"unknown picture codec {codec}", "codec", _JPEG)
    if length < _LAYOUT.size or len(message) != length + size:
        raise LipstreamClientError("bad_frame", f"the header announces {length + size} bytes, got {len(message)}")
    return Frame(epoch, frame, pts_us, template, (x1, y1, x2, y2), Flag(flags), message[length:])
