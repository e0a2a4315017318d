"""What the ids and fields of stream entries tell; pure."""

from statistics import quantiles
from typing import NamedTuple

from common import payloads
from common.clock import written_ms
from common.contracts import Notice, Task
from common.errors import TaskError
from common.streams import Entry
from gateway.metrics import Timings, parse_timings


class Passage(NamedTuple):
    """A task that has gone through all stages: its notice, and when that was written (Redis' clock, Unix ms)."""

    notice: Notice
    written_ms: int

    @property
    def timings(self) -> Timings:
        """Stage -> queue wait and work, milliseconds; empty where the notice's text is not understood."""
        try:
            return parse_timings(self.notice.timings)
        except ValueError:
            return {}

    @property
    def total_ms(self) -> float:
        """From the arrival of the last sample needed to the frames being in the ring."""
        return max(0.0, self.written_ms - self.notice.ingest_ms)


def passage(entry: Entry) -> Passage | None:
    """None for an entry that is not a notice."""
    try:
        return Passage(Notice.from_fields(entry[1]), written_ms(entry[0]))
    except TaskError:
        return None


def task_of(fields: dict[bytes, bytes]) -> Task | None:
    """The task in an entry of a work stream; None for one that is none."""
    try:
        return Task.from_fields(payloads.split(fields)[0])
    except TaskError:
        return None


class Spread(NamedTuple):
    """Median and 95th percentile, milliseconds."""

    p50: float
    p95: float


def spread(values_ms: list[float]) -> Spread | None:
    """None where there is nothing to take them of."""
    if not values_ms:
        return None
    if len(values_ms) == 1:
        return Spread(values_ms[0], values_ms[0])
    cuts = quantiles(values_ms, n=20, method="inclusive")
    return Spread(round(cuts[9], 1), round(cuts[18], 1))
