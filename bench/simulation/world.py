"""Lipstream in simulated time: what there is, and what each thing costs. Times are milliseconds.

What a session asks for and when, what it skips and what it conceals is not modelled: the gateway's own state machine
decides it (`gateway/session.py` knows no clock). What is modelled is time: a thread does one thing after the other, all
threads of a machine share its cores, workers take batches and wait for Redis, and Redis is one thread too. A part costs
what its `Cost` says, with a gamma distribution around it.
"""

from collections import deque
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final, Literal, NamedTuple

from simpy import Environment, Event

from bench.simulation.cores import Cores, Thread
from cli.plan.coefficients import PARTS, WORKERS, Measurement, Stage
from common.avatars.manifest import Manifest
from common.settings import Settings

SPREAD: Final = 0.2
"""Standard deviation of a piece of work, as a share of its mean."""
VISITS: Final = 2 * len(WORKERS) + 2
"""Times that a task comes by Redis: from the gateway, at each stage in and out, and to the gateway."""

Process = Generator[Event, Any, None]


class Scene(NamedTuple):
    """What is simulated.

    Attributes
    ----------
    workers, gateways : processes.
    cores : of one machine that everything shares, clients too; None: each process has a core of its own, as pods have,
        and clients have machines of their own.
    network_ms : one round trip to Redis.
    redis_share : share of Redis' time for a task that its busiest node spends; 1 for a single server.
    utterance_ms, pause_ms : mean length of speech and of silence, both exponential; no pause: they speak all the time.
    chunk_ms : audio in one message.
    pace : live sessions send on the clock, lossless ones as fast as the server takes it.
    """

    sessions: int
    workers: Mapping[Stage, int]
    gateways: int = 1
    cores: float | None = None
    network_ms: float = 0.0
    redis_share: float = 1.0
    utterance_ms: float = 6_000.0
    pause_ms: float = 0.0
    chunk_ms: float = 40.0
    pace: Literal["live", "lossless"] = "live"
    seconds: float = 20.0
    warm_up_s: float = 3.0
    seed: int = 0


@dataclass(slots=True)
class Record:
    """What happened after the warm-up; `in_hand_ms` is the time in which workers had tasks in hand."""

    latencies_ms: list[float] = field(default_factory=list)
    painted: int = 0
    concealed: int = 0
    skipped: int = 0
    dropped: int = 0
    in_hand_ms: dict[Stage, float] = field(default_factory=lambda: dict.fromkeys(WORKERS, 0.0))
    ages_ms: dict[Stage, list[float]] = field(default_factory=lambda: {stage: [] for stage in WORKERS})


class Stream:
    """Work that waits; a worker takes what is there, up to a number, or waits for the next."""

    def __init__(self, env: Environment) -> None:
        self._env = env
        self._waiting: deque[Any] = deque()
        self._takers: deque[tuple[int, Event]] = deque()

    def put(self, item: Any) -> None:
        self._waiting.append(item)
        if self._takers:
            count, taken = self._takers.popleft()
            taken.succeed(self.cut(count))

    def take(self, count: int) -> Event:
        """An event with a list of one to `count` items."""
        taken = Event(self._env)
        if self._waiting:
            taken.succeed(self.cut(count))
        else:
            self._takers.append((count, taken))
        return taken

    def oldest(self) -> Any:
        return self._waiting[0] if self._waiting else None

    def cut(self, count: int) -> list[Any]:
        """What is there, up to a number, now."""
        return [self._waiting.popleft() for _ in range(min(count, len(self._waiting)))]


class World:
    """Everything that one simulation has; made anew for each."""

    def __init__(self, scene: Scene, measurement: Measurement, manifest: Manifest, settings: Settings) -> None:
        self.scene, self.measurement, self.manifest, self.settings = scene, measurement, manifest, settings
        self.env, self.random, self.record = Environment(), Random(scene.seed), Record()
        self.cores = None if scene.cores is None else Cores(self.env, scene.cores - self._idle(), measurement.drowsy)
        self.redis = self.thread()
        # The bench's clients are one process.
        self.client = self.thread()
        self.streams: dict[Stage, Stream] = {stage: Stream(self.env) for stage in WORKERS}
        self.gateways = [self.thread() for _ in range(scene.gateways)]
        self.inboxes = [Stream(self.env) for _ in range(scene.gateways)]

    @property
    def warm(self) -> bool:
        return bool(self.env.now >= self.scene.warm_up_s * 1000)

    def thread(self) -> Thread:
        """A process' only thread that does much."""
        return Thread(self.env, self.cores, self.measurement.drowsy)

    def spread(self, mean_ms: float) -> float:
        """How long it takes this time."""
        shape = 1 / SPREAD**2
        return self.random.gammavariate(shape, mean_ms / shape) if mean_ms else 0.0

    def visit_redis(self, tasks: int, frames: int) -> Event:
        """One of the times that tasks come by Redis."""
        mean_ms = self.measurement.costs["redis"].of(tasks, frames) / VISITS
        return self.redis.run(self.spread(mean_ms * self.scene.redis_share))

    def wait(self, delay_ms: float) -> Event:
        return self.env.timeout(delay_ms)

    def _idle(self) -> float:
        """Cores that go into looking for work that is not there."""
        costs = self.measurement.costs
        return sum(costs[part].idle for part in PARTS)


def then(event: Event, do: Callable[[], None]) -> None:
    """Do something when an event comes."""
    assert event.callbacks is not None
    event.callbacks.append(lambda _: do())
