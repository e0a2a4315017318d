"""Facts for the tests, made up where only their shape matters."""

from typing import Any

from cli.inspect.facts import Place, Slot, Trace, Way
from common.backlog import Backlog, WorkerReport
from common.contracts import Task
from common.records import SessionRecord

SESSION = "0b1d9d3f7c0e4b5f8a6d2c4e9f107a35"


def task(**changes: Any) -> Task:
    fields: dict[str, Any] = {
        "session": SESSION, "gateway": "g", "avatar": "tiny", "epoch": 0, "base": 0, "first": 8, "count": 4,
        "samples": -1, "template": 8, "quality": 85, "ingest_ms": 1000.0, "deadline_ms": 3000.0, "sent_ms": 1000.0,
    }  # fmt: skip
    return Task(**fields | changes)


def record(**changes: Any) -> SessionRecord:
    fields: dict[str, Any] = {
        "avatar": "tiny", "gateway": "g", "state": "open", "epoch": 0, "sample_rate": 16_000, "fps": 25,
        "created_at": 0.0, "last_seen": 100.0,
    }  # fmt: skip
    return SessionRecord(**fields | changes)


def worker(**changes: Any) -> WorkerReport:
    fields: dict[str, Any] = {
        "stage": "audio", "worker": "host-1-abcdef", "host": "host", "pid": 1, "seen_at": 100.0, "avatars": "tiny",
        "tasks": 0, "frames": 0, "dropped": 0, "retried": 0, "dead": 0, "work_ms": 0.0,
    }  # fmt: skip
    return WorkerReport(**fields | changes)


def place(**changes: Any) -> Place:
    known = Place(
        stream="stage:inference:default", entry="1000-0", task=task(), age_ms=500.0, ahead=3, worker=None, idle_ms=0,
        deliveries=0, live_workers=1,
    )  # fmt: skip
    return known._replace(**changes)


def trace(**changes: Any) -> Trace:
    known = Trace(SESSION, 9, record(), audio=(0, 20), place=None, way=None, slot=None, letter=None)
    return known._replace(**changes)


def way(**changes: Any) -> Way:
    return Way(first=8, frames=4, epoch=0, steps=(), other_ms=1.0, total_ms=20.0)._replace(**changes)


def slot(frame: int, epoch: int = 0) -> Slot:
    return Slot(frame % 96, frame, epoch, 60_000)


def backlog(stream: str = "stage:audio", waiting: int = 0, in_hand: int = 0, oldest_ms: float = 0.0) -> Backlog:
    return Backlog(stream.split(":")[1], stream, waiting, in_hand, oldest_ms)
