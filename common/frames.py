"""The picture as clients get it: a fixed header of 40 bytes, little endian, then the encoded picture.

| offset | size | type  | field    | meaning                                                            |
|-------:|-----:|-------|----------|--------------------------------------------------------------------|
|      0 |    2 | bytes | magic    | `LS`                                                               |
|      2 |    1 | u8    | version  | 1                                                                  |
|      3 |    1 | u8    | codec    | 1 = JPEG                                                           |
|      4 |    2 | u16   | flags    | 1 idle, 2 concealed (a repeat of the frame before), 4 last of its segment |
|      6 |    2 | u16   | length   | of this header, 40                                                 |
|      8 |    4 | u32   | epoch    | raised by `clear`; drop frames of older epochs                     |
|     12 |    4 | u32   | frame    | counts all speech frames of the session from 0                     |
|     16 |    8 | u64   | pts_us   | media time of the frame's first sample, microseconds               |
|     24 |    4 | u32   | template | index of the template frame under the mouth                        |
|     28 |    8 | 4 u16 | bounds   | x1, y1, x2, y2 of the picture within the avatar's frame, ends exclusive |
|     36 |    4 | u32   | size     | bytes of picture that follow                                       |

The compositor writes these bytes into the frame ring and the gateway hands them to the socket as they are.
"""

import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple, Self

from common.errors import ProtocolError

_LAYOUT: Final = struct.Struct("<2sBBHHIIQI4HI")
MAGIC: Final = b"LS"
VERSION: Final = 1
HEADER_BYTES: Final = _LAYOUT.size


class Codec(IntEnum):
    """How the picture is encoded."""

    JPEG = 1


class Flag(IntFlag):
    """What is special about a frame."""

    NONE = 0
    IDLE = 1
    CONCEALED = 2
    LAST = 4


class FrameHeader(NamedTuple):
    """The fields of the header; see the module's table."""

    epoch: int
    frame: int
    pts_us: int
    template: int
    bounds: tuple[int, int, int, int]
    flags: Flag = Flag.NONE
    codec: Codec = Codec.JPEG

    def pack(self, picture: bytes) -> bytes:
        """The header, then the picture."""
        head = _LAYOUT.pack(
            MAGIC, VERSION, self.codec, self.flags, HEADER_BYTES, self.epoch, self.frame, self.pts_us,
            self.template, *self.bounds, len(picture),
        )  # fmt: skip
        return head + picture

    @classmethod
    def unpack(cls, message: bytes) -> tuple[Self, bytes]:
        """Header and picture of a message.

        Raises
        ------
        ProtocolError
            The bytes are not a frame of this version, or their length disagrees with the header.
        """
        if len(message) < HEADER_BYTES:
            raise ProtocolError(f"a frame has at least {HEADER_BYTES} bytes, got {len(message)}")
        fields = _LAYOUT.unpack_from(message)
        magic, version, codec, flags, length, epoch, frame, pts_us, template, x1, y1, x2, y2, size = fields
        if magic != MAGIC or version != VERSION:
            raise ProtocolError("not a lipstream.v1 frame")
        if len(message) != length + size:
            raise ProtocolError(f"the header announces {length + size} bytes, got {len(message)}")
        header = cls(epoch, frame, pts_us, template, (x1, y1, x2, y2), Flag(flags), Codec(codec))
        return header, message[length:]


def flags_of(message: bytes) -> Flag:
    """The flags of a frame, read from its bytes."""
    return Flag(int.from_bytes(message[4:6], "little"))


def with_flags(message: bytes, flags: Flag) -> bytes:
    """The same frame with `flags` added."""
    return message[:4] + (flags_of(message) | flags).to_bytes(2, "little") + message[6:]
