"""The settings that a session needs, as its state machine knows them."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How much may be under way, and what time means.

    Attributes
    ----------
    in_flight_frames : frames that may be under way or wait to be sent.
    task_frames : frames of a full task.
    deadline_ms : from the task to the frame; later it is concealed.
    flush_after_ms : a pause of so long ends a segment; None: none does.
    skip_after_ms : a frame that has been due for so long is left out; None: none is.
    """

    sample_rate_hz: int
    in_flight_frames: int
    task_frames: int
    deadline_ms: float
    flush_after_ms: float | None
    skip_after_ms: float | None = None
    idle: Literal["client", "server"] = "client"
