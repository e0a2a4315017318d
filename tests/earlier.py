"""The client side of the earlier servers' binary messages, by their documented layouts."""

import struct

from gateway.earlier.binary import Answer, Failure, Mouth, Request, VideoFrame


def pack_request(request: Request) -> bytes:
    name = request.model_name.encode()
    return (
        struct.pack("<I", len(name)) + name + struct.pack("<II", request.frame_id, len(request.audio)) + request.audio
    )


def unpack(message: bytes) -> Answer:
    """The answer in a message, all of it."""
    kind, frame_id = struct.unpack_from("<BI", message)
    if kind == 2:
        name_end = 6 + message[5]
        (picture,) = _lengthed(message[name_end:], 1)
        return VideoFrame(frame_id, message[6:name_end].decode(), picture)
    (processing_ms,) = struct.unpack_from("<I", message, 5)
    if kind == 1:
        picture, bounds = _lengthed(message[9:], 2)
        return Mouth(frame_id, processing_ms, picture, struct.unpack(f"<{len(bounds) // 4}f", bounds))
    assert kind == 0, f"type {kind}"
    (text,) = _lengthed(message[9:], 1)
    return Failure(frame_id, processing_ms, text.decode())


def _lengthed(data: bytes, count: int) -> list[bytes]:
    """So many fields, each after its length, and nothing behind them."""
    fields = []
    for _ in range(count):
        (size,) = struct.unpack_from("<I", data)
        assert len(data) >= 4 + size
        fields.append(data[4 : 4 + size])
        data = data[4 + size :]
    assert data == b""
    return fields
