"""How far behind each stage is, and who works: what admission goes by, and autoscalers and people may look at.

Two round trips, whatever the number of streams and workers. No key is searched for, and no command spans two slots.
Ages are by Redis's own clock, which also made the entries' IDs: no clock of another machine can make a queue look old.
"""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from redis import exceptions
from redis.asyncio import Redis

from common import keys
from common.clock import written_ms
from common.redis_client import translated

_ABSENT = ("no such key", "NOGROUP")
"""What Redis says of a stream, or of its group, that nobody has made yet."""


def _names(text: Any) -> Any:
    return tuple(filter(None, text.split(","))) if isinstance(text, str) else text


class Process(BaseModel):
    """What every heartbeat tells of its process; `cores` are those that it may use."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    host: str
    pid: int
    seen_at: float
    cores: float = 0.0
    cpu_ms: float = 0.0


class WorkerReport(Process):
    """What a worker says of itself; the counters cover all its avatars since it started."""

    stage: str
    worker: str
    avatars: Annotated[tuple[str, ...], BeforeValidator(_names)]
    tasks: int
    frames: int
    dropped: int
    retried: int
    dead: int
    work_ms: float
    busy_ms: float = 0.0


class GatewayReport(Process):
    """What a gateway says of itself: open sessions, those that speak, the frames a second that all of them ask for."""

    gateway: str
    sessions: int
    speaking: int
    asked_fps: float
    frames: int


class Backlog(NamedTuple):
    """One work stream.

    Attributes
    ----------
    waiting, in_hand : tasks that nobody has taken yet, and tasks that a worker is at.
    oldest_ms : age of the oldest task of either kind; 0 without any.
    """

    stage: str
    stream: str
    waiting: int
    in_hand: int
    oldest_ms: float


class Reading(NamedTuple):
    """What one look found; `expired` are the keys of heartbeats that are no more."""

    backlogs: tuple[Backlog, ...]
    workers: tuple[WorkerReport, ...]
    gateways: tuple[GatewayReport, ...]
    expired: tuple[str, ...]

    @property
    def oldest_ms(self) -> float:
        """Age of the oldest task of any stage."""
        return max((backlog.oldest_ms for backlog in self.backlogs), default=0.0)


async def read(redis: Redis, streams: Sequence[str]) -> Reading:
    """Look at some work streams, at all workers, and at all gateways. Heartbeats of other versions are left out.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    with translated():
        pipe = redis.pipeline(transaction=False)
        # Not `time`: the pipeline of a cluster has no such method.
        pipe.execute_command("TIME")
        pipe.smembers(keys.ALIVE)
        for stream in streams:
            pipe.xlen(stream)
            pipe.xrange(stream, count=1)
            pipe.xpending(stream, keys.GROUP)
        (now_s, now_us), alive, *replies = [_checked(reply) for reply in await pipe.execute(raise_on_error=False)]
        names = sorted(name.decode() for name in alive)
        pipe = redis.pipeline(transaction=False)
        for name in names:
            pipe.hgetall(name)
        beats = dict(zip(names, await pipe.execute() if names else [], strict=True))
    each, now_ms = iter(replies), now_s * 1000 + now_us / 1000
    looks = zip(streams, each, each, each, strict=True)
    reports = [_report(name, fields) for name, fields in beats.items() if fields]
    return Reading(
        tuple(_backlog(*look, now_ms=now_ms) for look in looks),
        tuple(report for report in reports if isinstance(report, WorkerReport)),
        tuple(report for report in reports if isinstance(report, GatewayReport)),
        tuple(name for name, fields in beats.items() if not fields),
    )


async def forget(redis: Redis, reading: Reading) -> None:
    """Strike off the heartbeats that had expired; one that came back is added again by its next beat.

    Raises
    ------
    BusError
        Redis cannot be reached.
    """
    if reading.expired:
        with translated():
            await redis.srem(keys.ALIVE, *reading.expired)


def _checked(reply: Any) -> Any:
    """The reply; an empty one for what does not exist yet."""
    if isinstance(reply, exceptions.ResponseError) and any(text in str(reply) for text in _ABSENT):
        return ()
    if isinstance(reply, Exception):
        raise reply
    return reply


def _backlog(stream: str, entries: int, oldest: Any, pending: Any, *, now_ms: float) -> Backlog:
    in_hand = int(pending["pending"]) if pending else 0
    born_ms = written_ms(oldest[0][0]) if oldest else now_ms
    return Backlog(keys.stage_of(stream), stream, max(0, entries - in_hand), in_hand, max(0.0, now_ms - born_ms))


def _report(name: str, fields: dict[bytes, bytes]) -> WorkerReport | GatewayReport | None:
    """A heartbeat; None for one of another version."""
    try:
        facts = {field.decode(): value.decode() for field, value in fields.items()}
        match name.split(":", 2):
            case ["worker", stage, worker]:
                return WorkerReport.model_validate(facts | {"stage": stage, "worker": worker})
            case ["gateway", gateway]:
                return GatewayReport.model_validate(facts | {"gateway": gateway})
    except (ValidationError, UnicodeDecodeError):
        return None
    return None
