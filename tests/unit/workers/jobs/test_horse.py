"""What becomes of a job's success and of each kind of failure, in the process that does it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakeredis
import pytest
from rq.job import Job
from rq.timeouts import JobTimeoutException

from common.background import serial
from common.background.queue import CANCELED, Jobs
from common.background.requests import Outcome, Prune
from common.errors import BusError, InputError, LipstreamError
from common.settings import Settings
from workers.jobs import horse, progress
from workers.jobs.horse import TimeLimitError, run
from workers.jobs.place import PLACE, Place
from workers.jobs.progress import CanceledError, Progress

Do = Callable[[Any, Any], Outcome]


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    settings = Settings(jobs_url=str(tmp_path / "jobs"), jobs_retries=2)
    return Jobs(settings, lambda _: fakeredis.FakeRedis(version=(6, 2), server=fakeredis.FakeServer()))


@pytest.fixture
def job(jobs: Jobs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """One that is being done, with something uploaded for it."""
    entry = jobs.submit(Prune(days=1))
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / f"{entry.id}.in").write_bytes(b"RIFF")
    made = Job.fetch(entry.id, connection=jobs.redis, serializer=serial)
    monkeypatch.setattr(horse, "get_current_job", lambda: made)
    monkeypatch.setattr(horse, "_die_with_parent", lambda: None)
    monkeypatch.setattr(horse, "PAUSES_S", (0.01, 0.02))
    PLACE.set(Place(jobs.settings, tmp_path / "scratch"))
    return made


@pytest.fixture
def doing(monkeypatch: pytest.MonkeyPatch) -> Callable[[Do], None]:
    """Puts a function in the place of pruning."""
    return lambda do: monkeypatch.setattr(horse, "DO", {"prune": do})


def failing(error: Exception) -> Do:
    def do(*_: object) -> Outcome:
        raise error

    return do


def uploads(job: Job, tmp_path: Path) -> list[str]:
    return [path.name for path in (tmp_path / "jobs").iterdir()]


def test_what_came_of_a_job_stands_in_it_and_its_upload_is_gone(
    job: Job, doing: Callable[[Do], None], tmp_path: Path
) -> None:
    doing(lambda request, work: Outcome(facts={"days": request.days}))
    run({"kind": "prune", "days": 1})
    assert job.get_meta(refresh=True) == {
        "attempt": 1, "done": 0, "total": 0, "error": None, "outcome": {"facts": {"days": 1.0}, "file": None},
    }  # fmt: skip
    assert uploads(job, tmp_path) == []


def test_a_users_mistake_ends_the_job_at_once(job: Job, doing: Callable[[Do], None], tmp_path: Path) -> None:
    doing(failing(InputError("no such thing", field="days")))
    with pytest.raises(InputError):
        run({"kind": "prune"})
    assert job.retries_left == 0
    assert job.get_meta(refresh=True)["error"]["field"] == "days"
    assert uploads(job, tmp_path) == []


def test_a_fault_that_may_pass_leaves_the_tries_and_the_upload(
    job: Job, doing: Callable[[Do], None], tmp_path: Path
) -> None:
    doing(failing(BusError("gone for now")))
    for attempt in (1, 2, 3):
        with pytest.raises(BusError):
            run({"kind": "prune"})
        assert job.get_meta(refresh=True)["attempt"] == attempt
        assert (job.retries_left, len(uploads(job, tmp_path))) == (2, 1)


def test_after_the_last_try_the_upload_goes(job: Job, doing: Callable[[Do], None], tmp_path: Path) -> None:
    job.retries_left = 0
    doing(failing(BusError("gone for good")))
    with pytest.raises(BusError):
        run({"kind": "prune"})
    assert uploads(job, tmp_path) == []


def test_a_fault_of_ours_is_told_without_its_words_and_not_tried_again(job: Job, doing: Callable[[Do], None]) -> None:
    doing(failing(ZeroDivisionError("a secret of ours")))
    with pytest.raises(LipstreamError, match="internal error"):
        run({"kind": "prune"})
    error = job.get_meta(refresh=True)["error"]
    assert (error["code"], "secret" in error["message"], job.retries_left) == ("internal", False, 0)


def test_a_job_beyond_its_time_limit_says_which_setting_that_was(job: Job, doing: Callable[[Do], None]) -> None:
    doing(failing(JobTimeoutException("too long")))
    with pytest.raises(TimeLimitError):
        run({"kind": "prune"})
    error = job.get_meta(refresh=True)["error"]
    assert (error["code"], error["field"], error["limit"], job.retries_left) == ("timed_out", "jobs_prune_s", 600, 0)


def test_a_request_that_is_none_is_refused(job: Job) -> None:
    with pytest.raises(InputError, match="kind"):
        run({"kind": "dance"})
    assert job.retries_left == 0


def test_a_job_that_was_canceled_before_it_began_does_nothing(job: Job, doing: Callable[[Do], None]) -> None:
    job.connection.hset(job.key, CANCELED, 1)
    doing(failing(AssertionError("it must not run")))
    with pytest.raises(CanceledError):
        run({"kind": "prune"})
    assert job.retries_left == 0


def test_what_a_killed_job_left_on_the_disk_is_gone_for_the_next(
    job: Job, doing: Callable[[Do], None], tmp_path: Path
) -> None:
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / "out.mp4").write_bytes(b"half of it")

    def do(_: object, work: Any) -> Outcome:
        assert list(work.folder.iterdir()) == []
        return Outcome()

    doing(do)
    run({"kind": "prune"})


def test_progress_is_told_now_and_then_and_at_the_end(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s, seen = 0.0, []
    monkeypatch.setattr(progress.time, "monotonic", lambda: now_s)
    tell = Progress(job)
    for done in range(101):
        now_s += 0.02
        tell(done, 100)
        seen.append(job.get_meta(refresh=True)["done"])
    assert seen[-1] == 100
    assert len(set(seen)) == 5, "2 s at one look each 0.5 s, and the end"


def test_progress_notices_a_cancel(job: Job) -> None:
    tell = Progress(job)
    tell(1, 2)
    job.connection.hset(job.key, CANCELED, 1)
    with pytest.raises(CanceledError):
        tell(2, 2)
    with pytest.raises(CanceledError):
        tell.pause(5)


def test_an_outage_of_redis_in_the_middle_does_not_end_the_work(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr(job.connection, "execute_command", fail)
    Progress(job)(1, 1)
