"""What stands in a recording: msgpack maps, each with the `kind` of its record; pure."""

from typing import Any, Final, Literal, NamedTuple

import msgpack

from common.errors import LipstreamError

VERSION: Final = 1
InputKind = Literal["audio", "begin", "flush", "switch", "clear", "end", "pause"]


class RecordingError(LipstreamError):
    """A recording is not there, cannot be read, or is of another version."""

    code = "bad_recording"
    close_code = None


class Header(NamedTuple):
    """The beginning of a session, or of its going on elsewhere.

    Attributes
    ----------
    avatar : an `AvatarDigest`, as a map.
    epoch, audio, commands : how far the session had come: 0 at its start.
    settings : those of the gateway that bear on what is sent when.
    """

    v: int
    session: str
    created_s: float
    version: str
    gateway: str
    avatar: dict[str, Any]
    provider: str
    fps: int
    sample_rate: int
    format: str
    pace: str
    idle: str
    output: str
    quality: int
    settings: dict[str, Any]
    epoch: int = 0
    audio: int = 0
    commands: int = 0


class Input(NamedTuple):
    """What the client sent, or `pause`: the gateway itself has ended the segment, since no audio came.

    Attributes
    ----------
    t_ms : when it came, since the header.
    audio, commands : how much had come before it: samples over the session, and commands.
    data : of `audio` PCM16 at the session's rate; of `begin` the template index; of `clear` the frame shown, or None;
        of `switch` an `AvatarDigest`, as a map.
    """

    t_ms: float
    input: InputKind
    audio: int
    commands: int
    data: Any = None


class Segment(NamedTuple):
    """An utterance has begun, or (`end` is not None) ended: from sample `audio` to `end` of what the client sent.

    `base` is its first frame, `template` the position under it; an utterance may be told of several times.
    """

    epoch: int
    number: int
    avatar: str
    base: int
    template: int
    audio: int
    end: int | None = None


class Frame(NamedTuple):
    """A speech frame that was handed to the socket; `hash` is that of its picture, without the 40 bytes of header."""

    t_ms: float
    epoch: int
    frame: int
    flags: int
    hash: bytes
    picture: bytes | None = None


class Footer(NamedTuple):
    """The gateway's last word: how many frames it has sent, and a hash over their hashes."""

    frames: int
    concealed: int
    hash: bytes
    reason: str


Record = Header | Input | Segment | Frame | Footer
_KINDS: Final[dict[str, type[Record]]] = {
    "header": Header, "input": Input, "segment": Segment, "frame": Frame, "footer": Footer,
}  # fmt: skip
_NAMES: Final = {record: name for name, record in _KINDS.items()}


def encode(record: Record) -> bytes:
    """The record's map; fields that are None are left out."""
    fields = {name: value for name, value in record._asdict().items() if value is not None}
    content: bytes = msgpack.packb({"kind": _NAMES[type(record)], **fields})
    return content


def decode(content: bytes) -> Record | None:
    """The record of a map; None for a kind that this version does not know. Unknown fields are left aside.

    Raises
    ------
    RecordingError
        It is no such map, or lacks a field.
    """
    try:
        fields = msgpack.unpackb(content)
        kind = _KINDS.get(fields.pop("kind"))
        return kind(**{name: value for name, value in fields.items() if name in kind._fields}) if kind else None
    except (ValueError, KeyError, TypeError, AttributeError, msgpack.UnpackException) as error:
        raise RecordingError(f"not a record of a recording: {error}") from error
