"""Whether one more session may begin: by what is asked for against what was measured, and by the age of the queues.

No Redis, no clock: `watch.py` tells what it has seen.
"""

from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

from common.errors import CapacityError
from common.settings import Settings

RESUMED_SHARE: Final = 1.25
"""A session that comes back is a session in progress: it is let in beyond the limit for new ones, up to so much."""
RISE: Final = 1.02
"""A better estimate is believed in steps of so much, a worse one at once: a lucky moment admits nobody."""
_RETRY_S: Final = range(5, 11)


class OverloadError(CapacityError):
    """No further session at the moment.

    Attributes
    ----------
    retry_after_s : whole seconds until another try may succeed; they vary, so that not all return at once.
    """

    def __init__(self, message: str, *, limit: Any, retry_after_s: int) -> None:
        super().__init__(message, limit=limit)
        self.retry_after_s = retry_after_s

    def as_dict(self) -> dict[str, Any]:
        return super().as_dict() | {"retry_after_s": self.retry_after_s}


@dataclass(slots=True)
class Hysteresis:
    """Over, once `samples` values in a row lie above `high`; not over again, once as many lie below `low`."""

    high: float
    low: float
    samples: int
    is_over: bool = False
    _in_a_row: int = 0

    def observe(self, value: float) -> None:
        crosses = value < self.low if self.is_over else value > self.high
        self._in_a_row = self._in_a_row + 1 if crosses else 0
        if self._in_a_row >= self.samples:
            self.is_over, self._in_a_row = not self.is_over, 0


@dataclass(slots=True)
class Admission:
    """What one gateway knows of the whole installation's load.

    Attributes
    ----------
    capacity_fps : frames a second that it could sustain; None before anything was measured.
    workers : of the stage that has most of them.
    others_fps : frames a second that the sessions of the other gateways ask for.
    """

    settings: Settings
    queue: Hysteresis = field(init=False)
    oldest_ms: float = 0.0
    capacity_fps: float | None = None
    workers: int = 0
    others_fps: float = 0.0
    _retry_s: "cycle[int]" = field(default_factory=lambda: cycle(_RETRY_S))

    def __post_init__(self) -> None:
        settings = self.settings
        self.queue = Hysteresis(settings.queue_age_high_ms, settings.queue_age_low_ms, settings.queue_age_samples)

    def observe(self, oldest_ms: float, capacity_fps: float | None, workers: int, others_fps: float) -> None:
        """A new look at the stages; a capacity of None leaves the last one standing."""
        self.oldest_ms, self.workers, self.others_fps = oldest_ms, workers, others_fps
        self.queue.observe(oldest_ms)
        if capacity_fps is not None:
            known_fps = capacity_fps if self.capacity_fps is None else self.capacity_fps * RISE
            self.capacity_fps = min(capacity_fps, known_fps)

    def usable_fps(self, fps: int) -> float:
        """Frames a second that may be asked for: a share of what was measured; before that, one session a worker.

        Somebody must speak for anything to be measured, so it is never less than what one session asks for.
        """
        measured = self.capacity_fps
        return max(fps, self.workers * fps if measured is None else measured * self.settings.capacity_share)

    def check_places(self, open_here: int, resumed: bool) -> None:
        """Refuse what this gateway alone cannot hold.

        Raises
        ------
        OverloadError
            It has as many sessions open as it may.
        """
        limit = int(self.settings.max_sessions * (RESUMED_SHARE if resumed else 1))
        if open_here >= limit:
            raise self._refused("this gateway is full; try again later", limit)

    def check_load(self, asked_fps: float, fps: int) -> None:
        """Refuse what the workers cannot bear.

        Parameters
        ----------
        asked_fps : frames a second that the sessions of this gateway ask for; `fps`: what the new one may add.

        Raises
        ------
        OverloadError
            The queues are too old, or no room is left for one more that speaks.
        """
        if not self.settings.admit_by_load:
            return
        if self.queue.is_over:
            message = f"the workers are {self.oldest_ms:.0f} ms behind; try again later"
            raise self._refused(message, self.settings.queue_age_high_ms)
        usable_fps = self.usable_fps(fps)
        if self.others_fps + asked_fps + fps > usable_fps:
            speaking = int(usable_fps // fps)
            raise self._refused(f"{speaking} sessions may speak at once, and they do; try again later", speaking)

    def _refused(self, message: str, limit: int) -> OverloadError:
        return OverloadError(message, limit=limit, retry_after_s=next(self._retry_s))
