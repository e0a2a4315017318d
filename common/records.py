"""What is written down of a session, so that any gateway can go on with it; pure."""

from typing import NamedTuple

from pydantic import BaseModel, ConfigDict

from common.avatars.timeline import OPEN, Span


class Checkpoint(BaseModel):
    """A point at which a session stood with nothing of its past to come: its start, a barge-in, or a switch.

    Attributes
    ----------
    avatar : whose frames come next.
    first_frame : from this number on frames count; `template` is the position under it.
    segments : number of the next segment.
    audio, commands : how far into what its client sent this is: samples at the session's rate, and commands.
    delivered : frames that were sent before.
    farewell : what the client was told of the barge-in, JSON messages by lines.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    avatar: str
    epoch: int = 0
    first_frame: int = 0
    template: int = 0
    segments: int = 0
    audio: int = 0
    commands: int = 0
    delivered: int = 0
    farewell: str = ""


class SessionRecord(Checkpoint):
    """What Redis knows of a session: its last checkpoint, what its client asked for, and who serves it."""

    gateway: str
    state: str
    sample_rate: int
    fps: int
    created_at: float
    last_seen: float
    format: str = "s16le"
    pace: str = "live"
    idle: str = "client"
    output: str = "frame"
    quality: int = 0
    next_frame: int = 0
    concealed: int = 0
    recorded: int = 0


class SegmentRecord(BaseModel):
    """A segment as another gateway needs to know it.

    Attributes
    ----------
    base : its first frame, counted over the session; `template` is the position under it.
    audio, commands : how far into what the client sent it begins, as in `Checkpoint`.
    samples : its length at 16 kHz; OPEN while it is open.
    audio_end, commands_end : how far into what the client sent it ends, once it is closed.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    number: int
    avatar: str
    base: int
    template: int
    audio: int
    commands: int
    samples: int = OPEN
    audio_end: int = 0
    commands_end: int = 0


class Stored(NamedTuple):
    """All that Redis holds of a session but its media; `ring` spans the first and last frame of its audio."""

    record: SessionRecord
    segments: list[SegmentRecord]
    ring: Span
