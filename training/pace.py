"""How long a stage runs and what learning rate it has by then: training goes by minutes, and goes on where it was.

The minutes are processor time of the training thread, not time on the wall: a machine that other work shares, or a
training that is paused and continued, then buys as many steps as an idle machine, and the learning rate never jumps.
"""

import math
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """A learning-rate curve over the thread's processor time: short warm-up, then a half cosine to zero."""

    minutes: float
    peak: float
    spent_s: float = 0.0
    started_s: float = field(default_factory=time.thread_time)
    warm_up: float = 0.02

    def elapsed_s(self) -> float:
        """Return the training time so far, earlier runs included, in seconds; call it from the training thread."""
        return self.spent_s + time.thread_time() - self.started_s

    def share(self) -> float:
        """Return how much of the time is used, 0..1."""
        return min(1.0, self.elapsed_s() / (60.0 * self.minutes))

    def rate(self) -> float:
        """Return the learning rate for the next step."""
        share = self.share()
        if share < self.warm_up:
            return self.peak * max(share / self.warm_up, 0.02)
        return self.peak * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (share - self.warm_up) / (1 - self.warm_up))))
