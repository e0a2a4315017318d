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
    avatars: list[str]
    limits: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Started:
    """The session is open."""

    session: str
    avatar: str
    fps: int
    width: int
    height: int
    template_frames: int
    lookahead_ms: float
    samples_per_frame: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Segment:
    """An utterance begins at frame `first_frame`, over template frame `template`."""

    segment: int
    epoch: int
    first_frame: int
    template: int


@dataclass(frozen=True, slots=True)
class SegmentEnd:
    """An utterance is delivered: `frames` in all, of which `concealed` repeat the one before."""

    segment: int
    epoch: int
    first_frame: int
    frames: int
    concealed: int


@dataclass(frozen=True, slots=True)
class Cleared:
    """A barge-in is done: what comes now is of `epoch`."""

    epoch: int
    next_frame: int


@dataclass(frozen=True, slots=True)
class Stats:
    """The session's own numbers, each second while frames flow; times in milliseconds."""

    frames: int
    concealed: int
    in_flight: int
    buffered_ms: float
    latency_ms: Mapping[str, float]
    stages: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Ended:
    """The server has delivered everything and closes."""

    frames: int
    concealed: int


Event: TypeAlias = Hello | Started | Segment | SegmentEnd | Cleared | Stats | Ended

_TYPES: Final[Mapping[str, type[Event]]] = {
    "hello": Hello,
    "started": Started,
    "segment": Segment,
    "segment_end": SegmentEnd,
    "cleared": Cleared,
    "stats": Stats,
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
