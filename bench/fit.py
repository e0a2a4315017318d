"""From what was spent to what a message, a task and a frame cost; pure."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
from scipy.optimize import nnls

from bench.spent import Period
from cli.plan.coefficients import PARTS, Cost, Part

HEARS: Final[Mapping[Part, tuple[bool, bool, bool]]] = {
    "gateway": (True, True, True), "redis": (True, True, True), "client": (True, False, True),
}  # fmt: skip
"""Whether messages of audio, tasks and frames cost a part anything; workers hear of no message."""
_WORKER: Final = (False, True, True)


class Speech(NamedTuple):
    """A period in which sessions spoke, in so many messages of audio."""

    period: Period
    messages: int

    @property
    def counts(self) -> tuple[int, int, int]:
        """Messages, tasks, frames."""
        done = self.period.parts["compositor"]
        return self.messages, done.tasks, done.frames


def cheapest(speeches: Sequence[Speech]) -> Speech:
    """Of several that were alike, the one whose frames cost least: other programs only add."""
    return min(speeches, key=lambda each: sum(part.cpu_ms for part in each.period.parts.values()) / each.period.frames)


def costs_of(speeches: Sequence[Speech], silence: Period) -> dict[Part, Cost]:
    """The costs, none below 0, that come closest to what was spent beyond what silence costs."""
    return {part: _cost(part, speeches, silence) for part in PARTS}


def _cost(part: Part, speeches: Sequence[Speech], silence: Period) -> Cost:
    idle = silence.parts[part].cpu_ms / 1000 / silence.seconds
    hears = np.array(HEARS.get(part, _WORKER))
    counts = np.array([speech.counts for speech in speeches]) * hears
    spent_ms = [speech.period.parts[part].cpu_ms - idle * speech.period.seconds * 1000 for speech in speeches]
    (message_ms, task_ms, frame_ms), _ = nnls(counts.astype(float), np.maximum(0, spent_ms))
    return Cost(
        message_ms=round(message_ms, 3), task_ms=round(task_ms, 3), frame_ms=round(frame_ms, 3), idle=round(idle, 4)
    )


def expected_ms(costs: Mapping[Part, Cost], speech: Speech) -> float:
    """Processor time of all parts if the costs hold, idling included."""
    messages, tasks, frames = speech.counts
    return sum(
        cost.message_ms * messages + cost.of(tasks, frames) + cost.idle * speech.period.seconds * 1000
        for cost in costs.values()
    )


def dearer(costs: Mapping[Part, Cost], speech: Speech) -> float:
    """By which factor a period cost more than the costs say."""
    return sum(spent.cpu_ms for spent in speech.period.parts.values()) / expected_ms(costs, speech)


def line(sizes: Sequence[float], times: Sequence[float]) -> tuple[float, float]:
    """Intercept and slope, neither below 0, of the line that comes closest to some points."""
    (intercept, slope), _ = nnls(np.column_stack([np.ones(len(sizes)), sizes]), np.asarray(times, float))
    return round(float(intercept), 4), round(float(slope), 4)
