"""A small recording, record by record."""

from typing import Any

from common.avatars.digest import AvatarDigest
from common.recording import framing
from common.recording.hashes import hash_of, hash_over
from common.recording.records import Footer, Frame, Header, Input, Record, Segment, encode

RATE_HZ = 16_000
DIGEST = AvatarDigest(avatar="tiny", package="ab", files={"painter.onnx": "cd"}, models=["painter.onnx"]).model_dump()


def header(**changes: Any) -> Header:
    fields: dict[str, Any] = {
        "v": 1, "session": "session-1", "created_s": 100.0, "version": "0.1.0", "gateway": "here", "avatar": DIGEST,
        "provider": "cpu", "fps": 25, "sample_rate": RATE_HZ, "format": "s16le", "pace": "live", "idle": "client",
        "output": "frame", "quality": 85, "settings": {},
    }  # fmt: skip
    return Header(**(fields | changes))


def audio(at: int, samples: int, t_ms: float = 0, commands: int = 0) -> Input:
    """Every sample tells where it lies."""
    pcm = b"".join(((at + k) % 65_536).to_bytes(2, "little") for k in range(samples))
    return Input(t_ms, "audio", at, commands, pcm)


def frames(epoch: int, numbers: range) -> list[Frame]:
    return [Frame(40.0 * n, epoch, n, 0, hash_of(n.to_bytes(4, "little"))) for n in numbers]


def footer(sent: list[Frame]) -> Footer:
    return Footer(len(sent), 0, hash_over(frame.hash for frame in sent), "over")


def file_of(*records: Record) -> bytes:
    return framing.MAGIC + b"".join(framing.pack(encode(record)) for record in records)


def barge_in() -> list[Record]:
    """Ten frames of an utterance, four of which were sent when it was cut; then one of five, ended by a pause."""
    cut, spoken = frames(0, range(4)), frames(1, range(10, 15))
    return [
        header(),
        audio(0, 3_200),
        Segment(0, 0, "tiny", 0, 7, 0),
        audio(3_200, 3_200, t_ms=200),
        *cut,
        Input(400, "clear", 6_400, 0, 2),
        audio(6_400, 3_200, t_ms=500),
        Segment(1, 1, "tiny", 10, 3, 6_400),
        Input(1_400, "pause", 9_600, 0),
        Segment(1, 1, "tiny", 10, 3, 6_400, 9_600),
        *spoken,
        footer([*cut, *spoken]),
    ]
