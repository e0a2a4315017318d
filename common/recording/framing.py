"""Records in a file that may end anywhere: each has its length and checksum, which tell a torn tail; pure.

file:   magic (8 bytes), then records
record: length of the content (u32), CRC-32 of the content (u32), content; little endian
"""

import struct
import zlib
from typing import Final, NamedTuple

MAGIC: Final = b"LSREC\x01\r\n"
"""Its last bytes tell a file that was taken for text on its way."""
_HEAD: Final = struct.Struct("<II")
CONTENT_MAX_BYTES: Final = 64 * 2**20
"""No record is longer; a length beyond it is no length."""


class Readable(NamedTuple):
    """The contents of a file's records up to the first that is not whole, and how many bytes are lost behind it."""

    contents: list[bytes]
    lost_bytes: int


def pack(content: bytes) -> bytes:
    """A content as it stands in a file."""
    return _HEAD.pack(len(content), zlib.crc32(content)) + content


def unpack(data: bytes) -> Readable:
    """All that can be read of a file, whatever has become of it."""
    if data[: len(MAGIC)] != MAGIC:
        return Readable([], len(data))
    contents, position = [], len(MAGIC)
    while position + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, position)
        start = position + _HEAD.size
        content = data[start : start + length]
        if length > CONTENT_MAX_BYTES or len(content) < length or zlib.crc32(content) != checksum:
            break
        contents.append(content)
        position = start + length
    return Readable(contents, len(data) - position)
