"""What clients are told in `lipstream.v1`, as JSON: what is documented is what `messages.dump` lets out.

An optional field that does not apply is left out; one that may be null is always there.
"""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from common.avatars.manifest import Manifest
from common.avatars.timeline import lookahead_samples
from common.media import SAMPLE_RATE_HZ

Count = Annotated[int, Field(ge=0)]
Milliseconds = Annotated[float, Field(ge=0)]
Rect = Annotated[list[int], Field(min_length=4, max_length=4, description="x1, y1, x2, y2, ends exclusive")]


class _Reply(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Limits(_Reply):
    """What the server accepts."""

    message_max_bytes: int
    sample_rate_min_hz: int
    sample_rate_max_hz: int


class Hello(_Reply):
    """The server's greeting, before anything else."""

    type: Literal["hello"]
    protocol: Literal["lipstream.v1"]
    v: Literal[1] = Field(description="version of the protocol")
    version: str = Field(description="of the server")
    auth: bool = Field(description="whether `start` needs a `token`")
    avatars: list[str]
    limits: Limits


class Scene(_Reply):
    """What a client must know of an avatar to show it."""

    avatar: str
    fps: int
    width: int
    height: int
    template_frames: int
    lookahead_ms: Milliseconds = Field(description="audio after a frame's first sample that the frame needs, at most")
    samples_per_frame: int = Field(description="at 16 kHz")


class _Open(Scene):
    """What a client must know of its session."""

    session: str
    epoch: Count
    resume: str = Field(description="token of a later `resume`")
    resume_s: int = Field(description="how long a lost connection may take to come back, seconds")
    output: Literal["frame", "patch"]
    format: Literal["s16le", "f32le"]
    patch: Rect = Field(description="the painted rectangle of template frame 0; a hint")
    recording: bool = Field(description="whether the session is recorded")


class Started(_Open):
    """The session is open."""

    type: Literal["started"]


class Resumed(_Open):
    """The session goes on with `next_frame`; what the client sent is needed again from a place on."""

    type: Literal["resumed"]
    next_frame: Count
    audio: Count = Field(description="samples of the client's audio that are not needed again")
    commands: Count = Field(description="`begin`, `flush` and `switch` that are not needed again")


class Segment(_Reply):
    """The first audio of a segment has come."""

    type: Literal["segment"]
    segment: Count = Field(description="counts from 0")
    epoch: Count
    first_frame: Count
    template: Count = Field(description="index of the template frame under the segment's first frame")
    audio: Count = Field(description="samples that the client had sent before its first")


class SpeakStarted(_Reply):
    """The first frame of a segment follows."""

    type: Literal["speak_started"]
    segment: Count
    epoch: Count
    first_frame: Count
    template: Count


class SpeakEnded(_Reply):
    """The last frame of a segment has left, or a barge-in has cut it."""

    type: Literal["speak_ended"]
    segment: Count
    epoch: Count
    first_frame: Count
    frames: Count = Field(description="sent")
    concealed: Count = Field(description="of those, how many repeat the one before")
    position_ms: Milliseconds = Field(description="media time shown within the segment")
    interrupted: bool


class Cleared(_Reply):
    """A barge-in is done: what comes now is of `epoch`."""

    type: Literal["cleared"]
    epoch: Count = Field(description="the new one")
    next_frame: Count
    segment: Count | None = Field(description="the utterance that was cut; null without one")
    position_ms: Milliseconds | None = Field(description="media time of it that was shown")


class Switched(Scene):
    """From frame `first_frame` on the pictures are of this avatar."""

    type: Literal["switched"]
    first_frame: Count


class Latency(_Reply):
    """Last needed sample received -> frame handed to the socket."""

    p50: float
    p95: float


class StageTimes(_Reply):
    """The newest task's time in one stage."""

    wait_ms: float
    work_ms: float


class Stats(_Reply):
    """The session's own numbers, each second while frames flow."""

    type: Literal["stats"]
    frames: Count
    concealed: Count
    skipped: Count = Field(description="of those, how many were not even tried, since the workers were behind")
    in_flight: Count
    buffered_ms: Milliseconds = Field(description="audio that is in no published task")
    latency_ms: Latency | None = Field(description="null before there are two frames")
    stages: dict[str, StageTimes]


class Pong(_Reply):
    """The answer to `ping`."""

    type: Literal["pong"]
    id: int | str | None = None
    server_ms: float = Field(description="the server's Unix time, milliseconds")


class Error(_Reply):
    """Something was refused or failed; that alone does not end the session."""

    type: Literal["error"]
    code: str
    message: str
    retryable: bool = Field(description="whether the same request may succeed later")
    field: str | None = None
    limit: float | int | str | None = Field(None, description="the bound that was broken")
    retry_after_s: Count | None = Field(None, description="when another try may succeed, where that can be said")


class Ended(_Reply):
    """Everything is delivered; the server closes."""

    type: Literal["ended"]
    frames: Count
    concealed: Count


Reply = (
    Hello | Started | Resumed | Segment | SpeakStarted | SpeakEnded | Cleared | Switched | Stats | Pong | Error | Ended
)  # fmt: skip
REPLIES: Final[dict[str, type[Reply]]] = {
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
    "error": Error,
    "ended": Ended,
}


def scene_of(manifest: Manifest) -> dict[str, str | int | float]:
    """The fields of `Scene` for an avatar."""
    template = manifest.image.template
    return {
        "avatar": manifest.name,
        "fps": manifest.fps,
        "width": template.width,
        "height": template.height,
        "template_frames": template.frames,
        "lookahead_ms": lookahead_samples(manifest) * 1000 / SAMPLE_RATE_HZ,
        "samples_per_frame": manifest.samples_per_frame,
    }
