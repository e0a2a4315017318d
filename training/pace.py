"""How long a stage runs and what learning rate it has by then: training goes by minutes, and goes on where it was."""

import math
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """A learning-rate curve over wall-clock time: short warm-up, then a half cosine to zero."""

    minutes: float
    peak: float
    spent_s: float = 0.0
    started_s: float = field(default_factory=time.monotonic)
    warm_up: float = 0.02

    def elapsed_s(self) -> float:
        """Return the training time so far, earlier runs included, in seconds."""
        return self.spent_s + time.monotonic() - self.started_s

    def share(self) -> float:
        """Return how much of the time is used, 0..1."""
        return min(1.0, self.elapsed_s() / (60.0 * self.minutes))

    def rate(self) -> float:
        """Return the learning rate for the next step."""
        share = self.share()
        if share < self.warm_up:
            return self.peak * max(share / self.warm_up, 0.02)
        return self.peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up))))
