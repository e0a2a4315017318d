"""The binary layouts of the earlier servers, all little endian; pure.

Inference request, client to server:

| size | type  | field                                        |
|-----:|-------|----------------------------------------------|
|    4 | u32   | length of the model's name in bytes          |
|    n | utf-8 | the model's name                             |
|    4 | u32   | frame_id                                     |
|    4 | u32   | length of the audio in bytes, 0 for none     |
|    n | s16   | audio, mono, 24 kHz                          |

Answers, by their first byte:

| first byte       | then                                                                                            |
|------------------|-------------------------------------------------------------------------------------------------|
| 1, a mouth       | u32 frame_id, u32 processing_ms, u32 length, JPEG, u32 length in bytes, float32 bounds            |
| 0, an error      | u32 frame_id, u32 processing_ms, u32 length, utf-8 message                                       |
| 2, a video frame | u32 frame_id, u8 length, utf-8 video_type, u32 length, JPEG                                      |
"""

import struct
from typing import Final, NamedTuple

from common.errors import ProtocolError

MODEL_NAME_MAX_BYTES: Final = 256
_U32_MAX: Final = 2**32 - 1
_HEAD: Final = struct.Struct("<BII")
_U32: Final = struct.Struct("<I")
_ERROR, _MOUTH, _VIDEO_FRAME = 0, 1, 2


class Request(NamedTuple):
    """A request for one mouth; `audio` is PCM16, mono, 24 kHz."""

    model_name: str
    frame_id: int
    audio: bytes


class Mouth(NamedTuple):
    """A painted mouth; `bounds` is x1, y1, x2, y2 in pixels of the whole frame."""

    frame_id: int
    processing_ms: int
    picture: bytes
    bounds: tuple[float, ...]


class Failure(NamedTuple):
    """Why there is no mouth."""

    frame_id: int
    processing_ms: int
    message: str


class VideoFrame(NamedTuple):
    """A frame of the template."""

    frame_id: int
    video_type: str
    picture: bytes


Answer = Mouth | Failure | VideoFrame


def unpack_request(message: bytes) -> Request:
    """The request in a message.

    Raises
    ------
    ProtocolError
        A length leads past the end, bytes are left over, or the name is too long or not UTF-8.
    """
    reader = _Reader(message)
    name = reader.take(reader.u32("name_len", MODEL_NAME_MAX_BYTES), "model_name")
    frame_id = reader.u32("frame_id")
    request = Request(_text(name, "model_name"), frame_id, reader.take(reader.u32("audio_len"), "audio"))
    reader.end()
    return request


def pack(answer: Answer) -> bytes:
    """An answer's bytes; times beyond 32 bits are cut to the largest."""
    match answer:
        case Mouth(frame_id, processing_ms, picture, bounds):
            head = _HEAD.pack(_MOUTH, frame_id, min(processing_ms, _U32_MAX))
            return head + _lengthed(picture) + _lengthed(struct.pack(f"<{len(bounds)}f", *bounds))
        case Failure(frame_id, processing_ms, message):
            return _HEAD.pack(_ERROR, frame_id, min(processing_ms, _U32_MAX)) + _lengthed(message.encode())
        case VideoFrame(frame_id, video_type, picture):
            name = video_type.encode()
            return struct.pack("<BIB", _VIDEO_FRAME, frame_id, len(name)) + name + _lengthed(picture)


class _Reader:
    """Takes fields off the front of a message."""

    def __init__(self, message: bytes) -> None:
        self._message = message
        self._position = 0

    def take(self, size: int, field: str) -> bytes:
        left = len(self._message) - self._position
        if size > left:
            raise ProtocolError(f"{field}: {size} bytes are announced, {left} are left", field=field, limit=left)
        self._position += size
        return self._message[self._position - size : self._position]

    def u32(self, field: str, limit: int = _U32_MAX) -> int:
        value: int = _U32.unpack(self.take(_U32.size, field))[0]
        if value > limit:
            raise ProtocolError(f"{field}: {value} is above {limit}", field=field, limit=limit)
        return value

    def end(self) -> None:
        if left := len(self._message) - self._position:
            raise ProtocolError(f"{left} bytes are left over after the last field")


def _lengthed(data: bytes) -> bytes:
    return _U32.pack(len(data)) + data


def _text(data: bytes, field: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise ProtocolError(f"{field} is not UTF-8", field=field) from error
