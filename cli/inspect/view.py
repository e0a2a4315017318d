"""What a look means beside those before it: rates, quantiles, ages; pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from cli.inspect.entries import Passage, Spread, spread
from cli.inspect.keyspace import STAGES, order_of
from cli.inspect.snapshot import Server, Snapshot
from common.backlog import Backlog, WorkerReport
from common.records import SessionRecord

WINDOW_MS: Final = 10_000
"""Waits and work are those of the tasks that were finished so recently."""


class Beat(NamedTuple):
    """A worker's newest heartbeat, and the frames a second since the one before; None until there are two."""

    seen_at_s: float
    frames: int
    frames_per_s: float | None = None


class StageRow(NamedTuple):
    stage: str
    waiting: int
    in_hand: int
    oldest_ms: float
    frames_per_s: float | None
    wait_ms: Spread | None
    work_ms: Spread | None
    dead: int
    streams: tuple[Backlog, ...]


class SessionRow(NamedTuple):
    session: str
    avatar: str
    state: str
    epoch: int
    frames: int
    concealed: int
    seen_s: float


class WorkerRow(NamedTuple):
    stage: str
    worker: str
    beat_s: float
    frames_per_s: float | None
    tasks: int
    frames: int
    dropped: int
    retried: int
    dead: int


class RedisRow(NamedTuple):
    """`busy` is the share of the time since the last look that Redis spent in commands, 0..1."""

    version: str
    used_bytes: int
    limit_bytes: int
    clients: int
    commands_per_s: float | None
    busy: float | None


class View(NamedTuple):
    """What `lipstream top` shows; sessions that were heard of last come first."""

    at_ms: float
    redis: RedisRow
    stages: tuple[StageRow, ...]
    sessions: tuple[SessionRow, ...]
    workers: tuple[WorkerRow, ...]
    session_count: int
    worker_count: int

    @property
    def is_rated(self) -> bool:
        """Whether there were looks enough for every rate."""
        return self.redis.busy is not None and all(worker.frames_per_s is not None for worker in self.workers)

    def as_dict(self) -> dict[str, Any]:
        stages = [row._asdict() | {"streams": [b._asdict() for b in row.streams]} for row in self.stages]
        for row in stages:
            for name in ("wait_ms", "work_ms"):
                row[name] = row[name] and row[name]._asdict()
        return {
            "at_ms": round(self.at_ms),
            "redis": self.redis._asdict(),
            "stages": stages,
            "sessions": [row._asdict() for row in self.sessions],
            "workers": [row._asdict() for row in self.workers],
            "session_count": self.session_count,
            "worker_count": self.worker_count,
        }


@dataclass(frozen=True, slots=True)
class History:
    """The newest look, with what of those before it is needed."""

    snapshot: Snapshot
    before: Snapshot | None = None
    beats: Mapping[tuple[str, str], Beat] = field(default_factory=dict)
    passages: tuple[Passage, ...] = ()


def remember(history: History | None, snapshot: Snapshot) -> History:
    """The history with one more look."""
    before = history.snapshot if history else None
    earlier = history.beats if history else {}
    beats = {(of.stage, of.worker): _beat(of, earlier.get((of.stage, of.worker))) for of in snapshot.workers}
    passages = (*(history.passages if history else ()), *snapshot.passages)
    recent = tuple(p for p in passages if snapshot.at_ms - p.written_ms <= WINDOW_MS)
    return History(snapshot, before, beats, recent)


def view(history: History) -> View:
    """The newest look, with its rates."""
    now = history.snapshot
    stages = sorted({*STAGES, *(b.stage for b in now.backlogs), *now.dead}, key=lambda s: (order_of(s), s))
    sessions = sorted(now.sessions.items(), key=lambda item: item[1].last_seen, reverse=True)
    return View(
        at_ms=now.at_ms,
        redis=_redis_row(now, history.before),
        stages=tuple(_stage_row(stage, history) for stage in stages),
        sessions=tuple(_session_row(session, record, now.at_ms) for session, record in sessions),
        workers=tuple(_worker_row(of, history.beats[of.stage, of.worker], now.at_ms) for of in now.workers),
        session_count=now.session_count,
        worker_count=now.worker_count,
    )


def _beat(of: WorkerReport, before: Beat | None) -> Beat:
    if before is None:
        return Beat(of.seen_at, of.frames)
    if of.seen_at <= before.seen_at_s:
        return before
    return Beat(of.seen_at, of.frames, round(max(0, of.frames - before.frames) / (of.seen_at - before.seen_at_s), 1))


def _stage_row(stage: str, history: History) -> StageRow:
    streams = tuple(b for b in history.snapshot.backlogs if b.stage == stage)
    rates = [b.frames_per_s for (of, _), b in history.beats.items() if of == stage and b.frames_per_s is not None]
    times = [p.timings[stage] for p in history.passages if stage in p.timings]
    return StageRow(
        stage=stage,
        waiting=sum(b.waiting for b in streams),
        in_hand=sum(b.in_hand for b in streams),
        oldest_ms=round(max((b.oldest_ms for b in streams), default=0.0), 1),
        frames_per_s=round(sum(rates), 1) if rates else None,
        wait_ms=spread([wait_ms for wait_ms, _ in times]),
        work_ms=spread([work_ms for _, work_ms in times]),
        dead=history.snapshot.dead.get(stage, 0),
        streams=streams,
    )


def _session_row(session: str, of: SessionRecord, now_ms: float) -> SessionRow:
    seen_s = _age_s(of.last_seen, now_ms)
    return SessionRow(session, of.avatar, of.state, of.epoch, of.next_frame, of.concealed, seen_s)


def _worker_row(of: WorkerReport, beat: Beat, now_ms: float) -> WorkerRow:
    counters = of.tasks, of.frames, of.dropped, of.retried, of.dead
    return WorkerRow(of.stage, of.worker, _age_s(of.seen_at, now_ms), beat.frames_per_s, *counters)


def _redis_row(now: Snapshot, before: Snapshot | None) -> RedisRow:
    commands_per_s, busy = _load(now.server, before.server, now.at_ms - before.at_ms) if before else (None, None)
    server = now.server
    return RedisRow(
        server.version, server.used_bytes, server.limit_bytes, server.clients, commands_per_s, busy
    )  # fmt: skip


def _load(now: Server, before: Server, elapsed_ms: float) -> tuple[float | None, float | None]:
    """Commands a second, and the share of the time that they took; unknown over a restart of Redis."""
    commands, busy_us = now.commands - before.commands, now.busy_us - before.busy_us
    if elapsed_ms <= 0 or commands < 0 or busy_us < 0:
        return None, None
    return round(commands * 1000 / elapsed_ms, 1), round(busy_us / 1000 / elapsed_ms, 4)


def _age_s(then_s: float, now_ms: float) -> float:
    return round(max(0.0, now_ms / 1000 - then_s), 1)
