"""What Lipstream's jobs worker does otherwise than RQ's; `tests/integration/test_jobs.py` has it at work."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import fakeredis
import pytest
from rq.job import Job

from common import keys
from common.background import serial
from common.background.queue import Jobs
from common.background.requests import Prune
from common.settings import Settings
from workers.jobs import worker as workers
from workers.jobs.worker import ABANDONED_S, MONITOR_S, JobsWorker

pytestmark = pytest.mark.filterwarnings("ignore:CLIENT .* command not supported")


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    settings = Settings(jobs_url=str(tmp_path / "jobs"), jobs_retries=1)
    return Jobs(settings, lambda _: fakeredis.FakeRedis(version=(7, 0), server=fakeredis.FakeServer()))


@pytest.fixture
def worker(jobs: Jobs) -> JobsWorker:
    return JobsWorker(jobs)


@pytest.fixture
def job(jobs: Jobs) -> Job:
    return Job.fetch(jobs.submit(Prune(days=1)).id, connection=jobs.redis, serializer=serial)


def test_a_killed_horse_leaves_a_reason_and_costs_a_try(worker: JobsWorker, job: Job) -> None:
    job.meta = {"attempt": 1, "done": 7}
    job.save_meta()
    job.meta = {}
    worker.handle_work_horse_killed(job, 1, 9, None)
    assert job.retries_left == 1, "RQ takes it off"
    found = job.get_meta(refresh=True)
    assert found["done"] == 7, "what the horse has written meanwhile stays"
    assert "was killed (status 9)" in found["error"]["message"]


def test_a_job_that_a_leaving_worker_gives_back_keeps_its_tries_and_its_turn(worker: JobsWorker, job: Job) -> None:
    worker._shutdown_requested_date = datetime.now(UTC)
    worker.handle_work_horse_killed(job, 1, 9, None)
    assert (job.retries_left, job.enqueue_at_front_on_retry) == (2, True)
    assert "error" not in job.get_meta(refresh=True)


def test_an_idle_worker_that_is_asked_to_stop_kills_nothing(
    worker: JobsWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[int] = []
    monkeypatch.setattr("os.killpg", lambda group, signal: killed.append(group))
    worker.handle_warm_shutdown_request()
    assert killed == []


def test_a_job_counts_as_abandoned_only_after_several_looks_at_it(worker: JobsWorker, job: Job) -> None:
    assert worker.get_heartbeat_ttl(job) == ABANDONED_S >= 4 * MONITOR_S


def test_a_worker_whose_loop_stands_still_shows_it(worker: JobsWorker) -> None:
    worker.last_heartbeat = datetime.now(UTC) - timedelta(seconds=100)
    assert 99 < worker.turned_s < 101


def test_strays_are_swept_now_and_then(
    worker: JobsWorker, jobs: Jobs, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("common.background.files.GRACE_S", -1.0)
    (tmp_path / "jobs").mkdir()
    stray = tmp_path / "jobs" / "0123456789abcdef.out"
    for turn in range(2):
        stray.write_bytes(b"a film")
        worker.run_maintenance_tasks()
        assert stray.exists() == (turn == 1), "not at every turn"
    worker._swept_s -= workers.SWEEP_S
    worker.run_maintenance_tasks()
    assert not stray.exists()


def test_files_that_cannot_be_swept_stop_nothing(worker: JobsWorker, tmp_path: Path) -> None:
    (tmp_path / "jobs").write_bytes(b"in the way")
    worker.run_maintenance_tasks()


def test_old_recordings_are_removed_hourly_by_one_of_all_workers(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    jobs.settings = jobs.settings.model_copy(update={"recordings_keep_days": 7.0})
    several = [JobsWorker(jobs), JobsWorker(jobs)]
    for worker in several:
        worker.run_maintenance_tasks()
    (entry,) = jobs.entries(10)
    assert entry.request == Prune(days=7)
    assert f"job {entry.id} removes the recordings that are older than 7 days" in caplog.messages
    assert workers.PRUNE_S - 5 < jobs.redis.ttl(keys.recordings_pruned()) <= workers.PRUNE_S == 3_600
    jobs.redis.delete(keys.recordings_pruned())
    for worker in several:
        worker._swept_s -= workers.SWEEP_S
        worker.run_maintenance_tasks()
    assert len(jobs.entries(10)) == 2


def test_recordings_are_kept_unless_a_number_of_days_is_set(worker: JobsWorker, jobs: Jobs) -> None:
    worker.run_maintenance_tasks()
    assert jobs.entries(10) == []
    assert not jobs.redis.exists(keys.recordings_pruned())


def test_a_full_queue_is_no_reason_to_stop(jobs: Jobs, caplog: pytest.LogCaptureFixture) -> None:
    jobs.settings = jobs.settings.model_copy(update={"recordings_keep_days": 7.0, "jobs_queue_max": 1})
    jobs.submit(Prune(days=1))
    JobsWorker(jobs).run_maintenance_tasks()
    assert "old recordings stay for now: 1 jobs wait" in caplog.text


def test_done_and_failed_jobs_are_counted_where_the_horses_count_them(worker: JobsWorker, jobs: Jobs) -> None:
    assert worker.counts() == {"jobs_done": 0, "jobs_failed": 0}
    jobs.redis.hset(worker.key, mapping={"successful_job_count": 3, "failed_job_count": 1})
    assert worker.counts() == {"jobs_done": 3, "jobs_failed": 1}
