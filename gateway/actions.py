"""What a session's state machine wants done: on the bus, in this order, and towards the client."""

from dataclasses import dataclass
from typing import NamedTuple

from common.records import Checkpoint, SegmentRecord


class Append(NamedTuple):
    """Put a frame of PCM into the audio ring."""

    frame: int
    pcm: bytes


@dataclass(frozen=True, slots=True)
class Publish:
    """Put a task on the audio stage's stream."""

    avatar: str
    epoch: int
    base: int
    first: int
    count: int
    samples: int
    template: int
    ingest_ms: float
    deadline_ms: float


Action = Append | Publish | SegmentRecord | Checkpoint
"""The records are written down, so that another gateway could go on; a checkpoint of a new epoch voids older tasks."""


class Outgoing(NamedTuple):
    """A message for the client.

    `ready_ms` is when the last sample that a speech frame needed had arrived; `frame` is the speech frame that a
    message carries or that it reports as sent, so that a barge-in can take both back.
    """

    message: str | bytes
    ready_ms: float | None = None
    frame: int | None = None
