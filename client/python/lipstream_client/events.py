"""The text messages of the server as small frozen records; fields and types that are unknown here are ignored."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, Final, TypeAlias

from lipstream_client.errors import LipstreamClientError


@dataclass(frozen=True, slots=True)
class Hello:
    """The server's greeting."""

    protocol: str
    version: str
    auth: bool
    avatars: list[str]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Started:
    """The session is open; `patch` is the painted rectangle of template frame 0, as a hint."""

    session: str
    avatar: str
    fps: int
    width: int
    height: int
    template_frames: int
    lookahead_ms: float
    samples_per_frame: int
    epoch: int
    output: str
    format: str
    patch: list[int]
    resume: str = ""
    resume_s: float = 0.0
    recording: bool = False


@dataclass(frozen=True, slots=True)
class Resumed:
    """The connection was lost and the session goes on over another; frames and events go on as if nothing had been.

    `audio` and `commands` are how much of what was said the server has got; the rest is said again by the client.
    """

    session: str
    avatar: str
    epoch: int
    next_frame: int
    audio: int
    commands: int
    resume: str


@dataclass(frozen=True, slots=True)
class Segment:
    """The first audio of an utterance has come; it will begin at `first_frame`, over template frame `template`.

    `audio` is how many samples were sent before it.
    """

    segment: int
    epoch: int
    first_frame: int
    template: int
    audio: int = 0


@dataclass(frozen=True, slots=True)
class SpeakStarted:
    """The first frame of an utterance follows."""

    segment: int
    epoch: int
    first_frame: int
    template: int


@dataclass(frozen=True, slots=True)
class SpeakEnded:
    """An utterance is delivered, or a barge-in has cut it (`interrupted`).

    `frames` were sent, of which `concealed` repeat the one before; `position_ms` of it was shown.
    """

    segment: int
    epoch: int
    first_frame: int
    frames: int
    concealed: int
    position_ms: float
    interrupted: bool


@dataclass(frozen=True, slots=True)
class Cleared:
    """A barge-in is done: what comes now is of `epoch`.

    It cut utterance `segment` after `position_ms` of its media time; both are None where nothing was being said.
    """

    epoch: int
    next_frame: int
    segment: int | None
    position_ms: float | None


@dataclass(frozen=True, slots=True)
class Switched:
    """The pictures from frame `first_frame` on are of this avatar."""

    avatar: str
    fps: int
    width: int
    height: int
    template_frames: int
    lookahead_ms: float
    samples_per_frame: int
    first_frame: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The session's own numbers, each second while frames flow; times in milliseconds."""

    frames: int
    concealed: int
    in_flight: int
    buffered_ms: float
    latency_ms: Mapping[str, float] | None
    stages: Mapping[str, Mapping[str, float]]
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to `ping`; `server_ms` is the server's Unix time in milliseconds."""

    server_ms: float
    id: int | str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The server has delivered everything and closes."""

    frames: int
    concealed: int


Event: TypeAlias = (
    Hello | Started | Resumed | Segment | SpeakStarted | SpeakEnded | Cleared | Switched | Stats | Pong | Ended
)  # fmt: skip

_TYPES: Final[Mapping[str, type[Event]]] = {
    "hello": Hello,
    "started": Started,
    "resumed": Resumed,
    "segment": Segment,
    "speak_started": SpeakStarted,
    "speak_ended": SpeakEnded,
    "cleared": Cleared,
    "switched": Switched,
    "stats": Stats,
    "pong": Pong,
    "ended": Ended,
}


def parse_event(text: str) -> Event | None:
    """The event in a text message; None for a type that this version does not know.

    Raises
    ------
    LipstreamClientError
        The message is an `error` of the server, or (`bad_message`) it is not JSON or lacks a field.
    """
    try:
        content = json.loads(text)
        name = content["type"]
    except (ValueError, TypeError, KeyError) as error:
        raise LipstreamClientError("bad_message", f"not a lipstream.v1 message: {text[:80]!r}") from error
    if name == "error":
        raise error_of(content)
    kind = _TYPES.get(name)
    if kind is None:
        return None
    if missing := [f.name for f in fields(kind) if f.default is MISSING and f.name not in content]:
        raise LipstreamClientError("bad_message", f"'{name}' lacks {', '.join(missing)}")
    return kind(**{f.name: content[f.name] for f in fields(kind) if f.name in content})


def error_of(content: Mapping[str, Any]) -> LipstreamClientError:
    """An `error` message as the exception that it becomes."""
    return LipstreamClientError(
        str(content.get("code", "unknown")),
        str(content.get("message", "the server gave no reason")),
        content.get("field"),
        content.get("limit"),
        retryable=bool(content.get("retryable", False)),
    )
