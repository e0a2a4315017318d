"""The queue of background jobs as gateways see it, over a faked Redis; `tests/integration` has the rest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import fakeredis
import pytest
from redis import exceptions
from rq.job import Job, JobStatus

from common import keys
from common.background import serial
from common.background.queue import JobEndedError, Jobs, UnknownJobError, new_id
from common.background.requests import Export, Frames, Prune
from common.errors import BusError, CapacityError, SettingsError
from common.redis_blocking import connect_blocking
from common.settings import Settings


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    settings = Settings(jobs_url=str(tmp_path), jobs_queue_max=3, jobs_keep_s=600, jobs_retries=2, jobs_prune_s=77)
    return Jobs(settings, lambda _: fakeredis.FakeRedis(version=(6, 2), server=fakeredis.FakeServer()))


def job_of(jobs: Jobs, job: str) -> Job:
    return Job.fetch(job, connection=jobs.redis, serializer=serial)


def test_limits_of_time_tries_and_life_travel_with_the_job(jobs: Jobs) -> None:
    made = job_of(jobs, jobs.submit(Prune(days=1)).id)
    assert (made.timeout, made.retries_left) == (77, 2)
    assert (made.ttl, made.result_ttl, made.failure_ttl) == (600, 600, 600)
    assert 0 < jobs.redis.ttl(made.key) <= 600, "a job that nobody takes is forgotten"


@pytest.mark.parametrize(
    ("status", "canceled", "state"),
    [
        (JobStatus.QUEUED, False, "queued"),
        (JobStatus.STARTED, False, "running"),
        (JobStatus.STARTED, True, "canceling"),
        (JobStatus.FINISHED, False, "finished"),
        (JobStatus.FINISHED, True, "finished"),
        (JobStatus.FAILED, False, "failed"),
        (JobStatus.FAILED, True, "canceled"),
        (JobStatus.STOPPED, True, "canceled"),
        (JobStatus.CANCELED, True, "canceled"),
    ],
)
def test_every_status_of_rq_is_one_of_our_states(jobs: Jobs, status: JobStatus, canceled: bool, state: str) -> None:
    job = jobs.submit(Frames(avatar="demo")).id
    job_of(jobs, job).set_status(status)
    if canceled:
        jobs.redis.hset(Job.key_for(job), "canceled", datetime.now(UTC).timestamp())
    assert jobs.entry(job).state == state


def test_a_job_whose_worker_died_without_a_word_has_an_error_all_the_same(jobs: Jobs) -> None:
    job = jobs.submit(Export(session="a" * 16)).id
    job_of(jobs, job).set_status(JobStatus.FAILED)
    assert jobs.entry(job).error == {"code": "internal", "message": "the worker that did it died", "retryable": False}


def test_the_error_of_the_try_before_shows_while_the_next_one_waits(jobs: Jobs) -> None:
    job = jobs.submit(Export(session="a" * 16)).id
    found = job_of(jobs, job)
    found.meta = {"attempt": 1, "error": {"code": "store_unavailable"}}
    found.save_meta()
    entry = jobs.entry(job)
    assert (entry.state, entry.attempt, entry.error) == ("queued", 1, {"code": "store_unavailable"})


def test_a_full_queue_takes_no_more_and_a_canceled_job_makes_room(jobs: Jobs) -> None:
    first = jobs.submit(Prune(days=1)).id
    jobs.submit(Prune(days=1))
    jobs.submit(Prune(days=1))
    with pytest.raises(CapacityError) as caught:
        jobs.submit(Prune(days=1))
    assert (caught.value.field, caught.value.limit) == ("jobs_queue_max", 3)
    jobs.cancel(first)
    jobs.submit(Prune(days=1))


def test_what_has_ended_cannot_be_canceled(jobs: Jobs) -> None:
    job = jobs.submit(Prune(days=1)).id
    jobs.cancel(job)
    with pytest.raises(JobEndedError):
        jobs.cancel(job)


def test_a_canceled_job_expires_and_rqs_list_forgets_it(jobs: Jobs) -> None:
    job = jobs.submit(Prune(days=1)).id
    entry = jobs.cancel(job)
    assert entry.ended_at is not None
    assert entry.expires_at == entry.ended_at + timedelta(seconds=600)
    jobs.forget_canceled()
    assert jobs.queue.canceled_job_registry.get_job_ids() == [job]
    jobs.redis.delete(Job.key_for(job))
    assert not jobs.is_known(job)
    assert jobs.entries(10) == []
    jobs.forget_canceled()
    assert jobs.queue.canceled_job_registry.get_job_ids() == []


def test_a_job_between_queue_and_worker_is_listed_too(jobs: Jobs) -> None:
    job = jobs.submit(Prune(days=1)).id
    queue = jobs.queue
    jobs.redis.lmove(queue.key, queue.intermediate_queue_key)
    assert [entry.id for entry in jobs.entries(10)] == [job]


def test_a_job_of_another_queue_is_none_of_ours(jobs: Jobs) -> None:
    job = jobs.submit(Prune(days=1)).id
    jobs.redis.hset(Job.key_for(job), "origin", "default")
    with pytest.raises(UnknownJobError):
        jobs.entry(job)


def test_ids_are_random() -> None:
    assert len({new_id() for _ in range(100)}) == 100


def test_an_outage_of_redis_is_a_fault_that_may_pass(monkeypatch: pytest.MonkeyPatch, jobs: Jobs) -> None:
    def fail(*_: object, **__: object) -> None:
        raise exceptions.ConnectionError("gone")

    entry = jobs.submit(Prune(days=1))
    monkeypatch.setattr(jobs.redis, "execute_command", fail)
    for attempt in (lambda: jobs.check_room(), lambda: jobs.entry(entry.id), lambda: jobs.entries(5)):
        with pytest.raises(BusError):
            attempt()


def test_a_cluster_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(SettingsError, match="RQ does not run on a Redis Cluster"):
        connect_blocking(Settings(redis_url="redis+cluster://127.0.0.1:7000"))


def test_the_queue_is_called_as_the_keys_say(jobs: Jobs) -> None:
    jobs.submit(Prune(days=1))
    assert jobs.redis.exists(f"rq:queue:{keys.JOBS_QUEUE}")
