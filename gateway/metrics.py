"""What the gateway measures, for Prometheus."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from common.backlog import Backlog
from gateway.redis_figures import RedisFigures

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0)
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

ALERTED = ("internal", "bus_unavailable")
"""Codes that alerts watch. A series that began with its first error would be one that has never grown."""
RINGS = ("audio", "frame")

Timings = dict[str, tuple[float, float]]
"""Stage -> queue wait and work of one task, milliseconds."""


@dataclass(slots=True)
class Metrics:
    """The gateway's collectors, in a registry of their own so that two gateways can live in one test."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    redis: RedisFigures = field(default_factory=RedisFigures)
    sessions: Gauge = field(init=False)
    speaking: Gauge = field(init=False)
    capacity: Gauge = field(init=False)
    stage_age: Gauge = field(init=False)
    stage_backlog: Gauge = field(init=False)
    refused: Counter = field(init=False)
    frames: Counter = field(init=False)
    on_time: Counter = field(init=False)
    late: Counter = field(init=False)
    concealed: Counter = field(init=False)
    skipped: Counter = field(init=False)
    epochs: Counter = field(init=False)
    resumed: Counter = field(init=False)
    audio_seconds: Counter = field(init=False)
    errors: Counter = field(init=False)
    latency: Histogram = field(init=False)
    ring_fill: Histogram = field(init=False)
    stage_wait: Histogram = field(init=False)
    stage_work: Histogram = field(init=False)

    def __post_init__(self) -> None:
        registry = self.registry
        registry.register(self.redis)
        self.sessions = Gauge("lipstream_sessions", "Open sessions", registry=registry)
        self.speaking = Gauge("lipstream_sessions_speaking", "Sessions whose audio lasts until now", registry=registry)
        self.capacity = Gauge(
            "lipstream_capacity_frames_per_second", "Measured: what all stages could sustain", registry=registry
        )
        self.stage_age = Gauge(
            "lipstream_stage_oldest_age_seconds", "Age of the oldest task", ["stage"], registry=registry
        )
        self.stage_backlog = Gauge("lipstream_stage_backlog", "Tasks not finished", ["stage"], registry=registry)
        self.refused = Counter("lipstream_sessions_refused", "Sessions refused at capacity", registry=registry)
        self.frames = Counter("lipstream_frames", "Frames sent", ["kind"], registry=registry)
        self.on_time = Counter("lipstream_frames_on_time", "Frames that left with their own picture", registry=registry)
        self.late = Counter("lipstream_frames_late", "Frames awaited until their deadline, in vain", registry=registry)
        self.concealed = Counter(
            "lipstream_frames_concealed", "Frames repeated for want of the next", registry=registry
        )
        self.skipped = Counter("lipstream_frames_skipped", "Live frames that were not tried", registry=registry)
        self.epochs = Counter("lipstream_epochs", "Epochs that followed another", registry=registry)
        self.resumed = Counter("lipstream_sessions_resumed", "Sessions that clients came back to", registry=registry)
        self.audio_seconds = Counter("lipstream_audio_seconds", "Audio received, seconds", registry=registry)
        self.errors = Counter("lipstream_errors", "Errors sent to clients", ["code"], registry=registry)
        for code in ALERTED:
            self.errors.labels(code)
        self.latency = Histogram(
            "lipstream_frame_latency_seconds",
            "Last needed sample received -> frame handed to the socket",
            buckets=_SECONDS,
            registry=registry,
        )
        self.ring_fill = Histogram(
            "lipstream_ring_fill_ratio",
            "Share of a ring's slots that a session with frames to come still needs",
            ["ring"],
            buckets=_SHARES,
            registry=registry,
        )
        for ring in RINGS:
            self.ring_fill.labels(ring)
        self.stage_wait = Histogram(
            "lipstream_stage_wait_seconds", "Queue wait by stage", ["stage"], buckets=_SECONDS, registry=registry
        )
        self.stage_work = Histogram(
            "lipstream_stage_work_seconds", "Batch work by stage", ["stage"], buckets=_SECONDS, registry=registry
        )

    @property
    def frames_sent(self) -> int:
        """Frames of all kinds since the start."""
        samples = (sample for metric in self.frames.collect() for sample in metric.samples)
        return int(sum(sample.value for sample in samples if sample.name.endswith("_total")))

    def observe_backlogs(self, backlogs: Iterable[Backlog]) -> None:
        """Record a look at the work streams; those of one stage are added up."""
        stages: dict[str, list[Backlog]] = {}
        for backlog in backlogs:
            stages.setdefault(backlog.stage, []).append(backlog)
        for stage, streams in stages.items():
            self.stage_age.labels(stage).set(max(stream.oldest_ms for stream in streams) / 1000)
            self.stage_backlog.labels(stage).set(sum(stream.waiting + stream.in_hand for stream in streams))

    def observe_stages(self, timings: Timings) -> None:
        """Record a task's way through the stages."""
        for stage, (wait_ms, work_ms) in timings.items():
            self.stage_wait.labels(stage).observe(wait_ms / 1000)
            self.stage_work.labels(stage).observe(work_ms / 1000)


def parse_timings(timings: str) -> Timings:
    """What a notice says: `<stage>=<wait ms>/<work ms>,...`."""
    stages = {}
    for stamp in filter(None, timings.split(",")):
        stage, _, figures = stamp.partition("=")
        wait, _, work = figures.partition("/")
        stages[stage] = (float(wait), float(work))
    return stages
