"""What looks mean beside one another: rates, quantiles, ages."""

from typing import Any

from cli.inspect.entries import Passage
from cli.inspect.snapshot import Server, Snapshot
from cli.inspect.view import remember, view
from common.contracts import Notice
from tests.inspection import SESSION, backlog, record, worker


def server(**changes: Any) -> Server:
    return Server("7.0.15", 10**7, 10**9, 5, commands=1000, busy_us=0)._replace(**changes)


def snapshot(at_s: float = 100.0, **changes: Any) -> Snapshot:
    known = Snapshot(at_s * 1000, server(), (), {}, {}, (), 0, 0, (), {}, 1)
    return known._replace(**changes)


def passage(written_ms: int, timings: str) -> Passage:
    return Passage(Notice(session=SESSION, epoch=0, first=0, count=1, ingest_ms=0, timings=timings), written_ms)


def test_a_rate_is_that_between_a_workers_last_two_beats() -> None:
    history = remember(None, snapshot(100, workers=(worker(seen_at=99, frames=10),)))
    assert view(history).workers[0].frames_per_s is None
    history = remember(history, snapshot(101, workers=(worker(seen_at=101, frames=60),)))
    assert view(history).workers[0].frames_per_s == 25.0
    # No new beat has come: the rate stays, it does not become nought.
    history = remember(history, snapshot(102, workers=(worker(seen_at=101, frames=60),)))
    assert view(history).workers[0].frames_per_s == 25.0
    assert view(history).stages[0].frames_per_s == 25.0


def test_the_workers_of_a_stage_are_added_up() -> None:
    first = tuple(worker(worker=name, seen_at=1, frames=0) for name in ("a", "b"))
    second = tuple(worker(worker=name, seen_at=3, frames=n) for name, n in (("a", 20), ("b", 30)))
    history = remember(remember(None, snapshot(workers=first)), snapshot(workers=second))
    assert view(history).stages[0].frames_per_s == 25.0


def test_waits_and_work_are_those_of_the_last_ten_seconds() -> None:
    old, new = passage(80_000, "audio=900/900"), [passage(99_000, f"audio={n}/1") for n in range(1, 101)]
    shown = view(remember(None, snapshot(100, passages=(old, *new))))
    assert shown.stages[0].wait_ms is not None
    assert shown.stages[0].wait_ms.p50 == 50.5
    assert round(shown.stages[0].wait_ms.p95) == 95
    assert shown.stages[1].wait_ms is None


def test_the_load_of_redis_is_unknown_over_its_restart() -> None:
    history = remember(None, snapshot(100, server=server(commands=5000, busy_us=10**6)))
    history = remember(history, snapshot(101, server=server(commands=10, busy_us=100)))
    assert view(history).redis.busy is None
    history = remember(history, snapshot(102, server=server(commands=510, busy_us=20_100)))
    assert (view(history).redis.commands_per_s, view(history).redis.busy) == (500.0, 0.02)


def test_streams_of_a_stage_are_added_up_and_shown_singly_to_programs() -> None:
    streams = backlog("stage:inference:a", 3, 1, 250.0), backlog("stage:inference:b", 4, 0, 900.0)
    stage = view(remember(None, snapshot(backlogs=streams))).as_dict()["stages"][1]
    assert (stage["stage"], stage["waiting"], stage["in_hand"], stage["oldest_ms"]) == ("inference", 7, 1, 900.0)
    assert [stream["stream"] for stream in stage["streams"]] == ["stage:inference:a", "stage:inference:b"]


def test_sessions_that_were_heard_of_last_come_first() -> None:
    sessions = {name: record(last_seen=seen) for name, seen in (("old", 9.0), ("new", 100.0), ("middle", 50.0))}
    assert [row.session for row in view(remember(None, snapshot(sessions=sessions))).sessions] == [
        "new",
        "middle",
        "old",
    ]
