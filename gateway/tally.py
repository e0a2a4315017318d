"""A session's own numbers: what was sent to its client, how late, and how its tasks fare in the stages."""

from collections import deque
from dataclasses import dataclass, field
from statistics import quantiles

from gateway.messages import dump
from gateway.metrics import Metrics, Timings, parse_timings
from gateway.session import SessionCore
from gateway.totals import Counted


@dataclass(slots=True)
class Tally:
    """What one session adds to the gateway's metrics, and tells its client."""

    metrics: Metrics
    sent: int = 0
    latencies_ms: deque[float] = field(default_factory=lambda: deque(maxlen=250))
    stages: Timings = field(default_factory=dict)
    counted: Counted = field(init=False)

    def __post_init__(self) -> None:
        self.counted = Counted(self.metrics)

    def passed(self, timings: str) -> None:
        """A task has come back; this was its way."""
        self.stages = parse_timings(timings)
        self.metrics.observe_stages(self.stages)

    def frame(self, ready_ms: float | None, now_ms: float, core: SessionCore) -> None:
        """A frame was sent whose last sample came at `ready_ms`; None: an idle one."""
        self.sent += 1
        self.metrics.frames.labels("idle" if ready_ms is None else "speech").inc()
        if ready_ms is not None:
            self.metrics.latency.observe((now_ms - ready_ms) / 1000)
            self.latencies_ms.append(now_ms - ready_ms)
        self.counted.count(core)

    def latency(self) -> dict[str, float] | None:
        """Median and 95th percentile of the last frames, milliseconds; None before there are two."""
        if len(self.latencies_ms) < 2:
            return None
        cuts = quantiles(self.latencies_ms, n=20, method="inclusive")
        return {"p50": round(cuts[9], 1), "p95": round(cuts[18], 1)}

    def message(self, core: SessionCore, waiting_ms: float) -> str:
        """`stats`, as the client gets it; so much audio waits to be taken by the session."""
        stages = {stage: {"wait_ms": wait, "work_ms": work} for stage, (wait, work) in self.stages.items()}
        return dump(
            "stats", frames=core.delivered, concealed=core.concealed, skipped=core.skipped, in_flight=core.in_flight,
            buffered_ms=round(core.buffered_ms + waiting_ms, 1), latency_ms=self.latency(), stages=stages,
        )  # fmt: skip
