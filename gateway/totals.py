"""What a session adds up, and how that gets into the gateway's metrics."""

from dataclasses import dataclass, field
from typing import NamedTuple, Self

from common.settings import Settings
from gateway.metrics import Metrics
from gateway.session import SessionCore


class Totals(NamedTuple):
    """Of a session so far. `concealed` may fall: a barge-in takes back frames that were concealed and not sent."""

    epochs: int = 0
    on_time: int = 0
    late: int = 0
    concealed: int = 0
    skipped: int = 0

    @classmethod
    def of(cls, core: SessionCore) -> Self:
        return cls(core.epoch, core.reorder.on_time, core.reorder.late, core.concealed, core.skipped)


class Held(NamedTuple):
    """Frames in the rings of a session, on their way there, or promised to frames under way."""

    audio: int
    pictures: int


@dataclass(slots=True)
class Counted:
    """What the metrics know of a session's totals; for one that goes on, those that it came with are known."""

    metrics: Metrics
    known: Totals = field(default_factory=Totals)

    def go_on(self, core: SessionCore) -> None:
        """What the session has now was counted elsewhere."""
        self.known = Totals.of(core)

    def count(self, core: SessionCore) -> None:
        """Add what is new."""
        now, metrics = Totals.of(core), self.metrics
        counters = (metrics.epochs, metrics.on_time, metrics.late, metrics.concealed, metrics.skipped)
        for counter, before, after in zip(counters, self.known, now, strict=True):
            if after > before:
                counter.inc(after - before)
        self.known = now


def held(core: SessionCore) -> Held:
    """What a session's rings hold that it still needs."""
    return Held(max(0, core.segments.audio_stop - core.reorder.next_frame), core.reorder.pending)


def observe_rings(metrics: Metrics, core: SessionCore, settings: Settings) -> None:
    """Record how full a session's rings are of what it still needs; one with nothing to come says nothing."""
    audio, frames = held(core)
    if audio or frames:
        metrics.ring_fill.labels("audio").observe(audio / settings.audio_ring_frames)
        metrics.ring_fill.labels("frame").observe(frames / settings.frame_ring_slots)
