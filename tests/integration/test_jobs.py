"""Background jobs from a request over HTTP to the file that comes back, by real workers that are killed on the way."""

import asyncio
import contextlib
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import httpx
import psutil
import pytest
from redis import exceptions
from rq import Queue
from rq.job import Job

from common import keys
from common.background import serial
from common.background.requests import ENDED, JobEntry
from gateway.context import Gateway
from tests.pipeline import running, until
from tests.recorded import record
from tests.unit.workers.jobs.test_kinds import speech

WAIT_S = 90


class Worker(NamedTuple):
    """A jobs worker in a process of its own."""

    process: subprocess.Popen[bytes]
    log: Path

    def horse(self) -> psutil.Process | None:
        """The process that does its job."""
        return next(iter(psutil.Process(self.process.pid).children()), None)


class Place(NamedTuple):
    """A gateway, and how to start workers beside it."""

    url: str
    gateway: Gateway
    http: httpx.AsyncClient
    folder: Path
    start: Callable[..., contextlib.AbstractContextManager[Worker]]

    async def submit(self, path: str, **options: Any) -> str:
        answer = await self.http.post(f"/api/jobs/{path}", **options)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    async def render(self, seconds: float) -> str:
        return await self.submit("render?avatar=tiny", content=speech(seconds))

    async def job(self, job: str) -> Any:
        return (await self.http.get(f"/api/jobs/{job}")).json()

    async def reach(self, job: str, *states: str) -> Any:
        """The job, once it is in one of the states, or has ended."""
        for _ in range(WAIT_S * 20):
            found = await self.job(job)
            if found["state"] in (*states, *ENDED):
                assert found["state"] in states, found
                return found
            await asyncio.sleep(0.05)
        raise TimeoutError(found)

    async def begun(self, job: str, attempt: int = 1) -> Any:
        """The job, once some of it is done in that try."""
        for _ in range(WAIT_S * 20):
            found = await self.job(job)
            if found["attempt"] == attempt and found["state"] == "running" and 0 < found["done"] < found["total"]:
                return found
            assert found["state"] not in ENDED, found
            await asyncio.sleep(0.05)
        raise TimeoutError(found)

    async def video(self, job: str) -> int:
        """How many pictures the result has."""
        answer = await self.http.get(f"/api/jobs/{job}/result")
        assert answer.status_code == 200, answer.text
        with av.open(io.BytesIO(answer.content)) as container:
            return len([*container.decode(video=0)])


async def until_so(place: Place, job: str, hoped: Callable[[JobEntry], bool]) -> JobEntry:
    """The job, once it is as hoped, by another way than over HTTP."""
    for _ in range(WAIT_S * 20):
        if hoped(entry := place.gateway.jobs.entry(job)):
            return entry
        await asyncio.sleep(0.05)
    raise TimeoutError


def has_ended(process: psutil.Process) -> bool:
    """Whether a process runs no more, be it that nobody has noticed yet."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture
async def place(redis_server: str, avatars_folder: Path, tmp_path: Path) -> AsyncIterator[Place]:
    settings = {"jobs_url": str(tmp_path / "jobs"), "recordings_url": str(tmp_path / "recordings"), "record": "all"}

    @contextlib.contextmanager
    def start(**changes: object) -> Iterator[Worker]:
        said = {"redis_url": redis_server, "avatars_dir": avatars_folder} | settings | changes
        environment = os.environ | {f"LIPSTREAM_{name.upper()}": str(value) for name, value in said.items()}
        log = tmp_path / f"worker-{time.monotonic_ns()}.log"
        command = [sys.executable, "-m", "cli", "worker", "jobs"]
        with log.open("wb") as output:
            process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)
            try:
                yield Worker(process, log)
            finally:
                process.kill()
                process.wait(10)

    async with (
        running(redis_server, avatars_folder, avatars=("tiny", "reference"), **settings) as pipeline,
        httpx.AsyncClient(base_url=pipeline.http, timeout=60) as http,
    ):
        yield Place(pipeline.url, pipeline.gateway, http, tmp_path, start)


async def test_a_file_is_rendered_with_progress_to_a_video_of_as_many_frames(place: Place) -> None:
    job = await place.render(20)
    assert (await place.job(job))["state"] == "queued"
    with place.start():
        begun = await place.begun(job)
        assert begun["total"] == 500
        found = await place.reach(job, "finished")
        assert (found["done"], found["total"], found["attempt"]) == (500, 500, 1)
        assert found["outcome"]["facts"] == {"frames": 500, "fps": 25, "duration_s": 20.0}
        assert await place.video(job) == 500
    assert [path.name for path in (place.folder / "jobs").iterdir()] == [f"{job}.out"]


async def test_a_recorded_session_is_exported_and_an_avatars_pictures_are_built(place: Place) -> None:
    folder = place.folder / "recordings"
    recording, _ = await record(place.url, folder, rounds=1)
    with place.start():
        job = await place.submit("export", json={"session": recording.header.session})
        pictures = await place.submit("frames", json={"avatar": "tiny"})
        found = await place.reach(job, "finished")
        assert await place.video(job) == found["done"] == len(recording.frames) > 0
        await place.reach(pictures, "finished")
        answer = await place.http.get(f"/api/jobs/{pictures}/result")
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            assert len(archive.namelist()) == 12
        pruned = await place.submit("prune", json={"days": 1})
        assert (await place.reach(pruned, "finished"))["outcome"]["facts"]["pruned"] == []


async def test_a_job_that_is_being_done_is_canceled(place: Place) -> None:
    job, after = await place.render(300), await place.render(0.2)
    with place.start() as worker:
        await place.begun(job)
        answer = (await place.http.delete(f"/api/jobs/{job}")).json()
        assert answer["state"] in ("canceling", "canceled")
        found = await place.reach(job, "canceled")
        assert 0 < found["done"] < found["total"]
        assert found["attempt"] == 1
        await place.reach(after, "finished")
        assert worker.process.poll() is None
    assert sorted(path.name for path in (place.folder / "jobs").iterdir()) == [f"{after}.out"]


async def test_a_cancel_that_rq_did_not_pass_on_is_noticed_by_the_job_itself(place: Place) -> None:
    job = await place.render(300)
    with place.start():
        await place.begun(job)
        place.gateway.jobs.redis.hset(Job.key_for(job), "canceled", time.time())
        await place.reach(job, "canceled")


async def test_a_fault_that_passes_costs_a_try_and_not_the_job(place: Place) -> None:
    (place.folder / "jobs").write_bytes(b"in the way")
    job = await place.submit("frames", json={"avatar": "tiny"})
    with place.start():
        entry = await until_so(place, job, lambda entry: entry.error is not None)
        assert entry.error is not None
        assert (entry.error["code"], entry.error["retryable"]) == ("store_unavailable", True)
        (place.folder / "jobs").unlink()
        found = await place.reach(job, "finished")
        assert found["attempt"] >= 2
        assert "error" not in found


async def test_a_fault_that_stays_ends_the_job_after_its_tries(place: Place) -> None:
    (place.folder / "jobs").write_bytes(b"in the way")
    place.gateway.jobs.settings = place.gateway.settings.model_copy(update={"jobs_retries": 1})
    job = await place.submit("frames", json={"avatar": "tiny"})
    with place.start():
        found = await place.reach(job, "failed")
        assert (found["attempt"], found["error"]["code"]) == (2, "store_unavailable")


@pytest.mark.parametrize(
    ("content", "code"), [(b"no audio", "bad_audio"), (speech(0), "bad_audio"), (speech(8), "bad_audio")]
)
async def test_what_cannot_be_rendered_fails_at_once_with_a_typed_error(
    place: Place, content: bytes, code: str
) -> None:
    job = await place.submit("render?avatar=tiny", content=content)
    with place.start(jobs_audio_s=5):
        found = await place.reach(job, "failed")
    assert (found["attempt"], found["error"]["code"], found["error"]["field"]) == (1, code, "audio")
    assert "outcome" not in found
    assert list((place.folder / "jobs").iterdir()) == []


async def test_a_job_that_takes_too_long_is_ended(place: Place) -> None:
    place.gateway.jobs.settings = place.gateway.settings.model_copy(update={"jobs_render_s": 2})
    job = await place.render(600)
    with place.start():
        found = await place.reach(job, "failed")
    assert (found["error"]["code"], found["error"]["field"], found["attempt"]) == ("timed_out", "jobs_render_s", 1)


async def test_a_killed_work_horse_costs_a_try_and_not_the_job(place: Place) -> None:
    job = await place.render(60)
    with place.start() as worker:
        await place.begun(job)
        horse = worker.horse()
        assert horse is not None
        horse.kill()
        found = await place.reach(job, "finished")
        assert found["attempt"] == 2
        assert await place.video(job) == 1_500
        assert worker.process.poll() is None


async def test_a_killed_worker_takes_its_job_along_and_another_one_does_it(place: Place) -> None:
    job = await place.render(60)
    with place.start() as worker:
        await place.begun(job)
        horse = worker.horse()
        assert horse is not None
        worker.process.kill()
        await until(lambda: has_ended(horse))
        stopped = (await place.job(job))["done"]
        await asyncio.sleep(1)
        assert (await place.job(job))["done"] == stopped
    with place.start():
        # Half a minute of silence, by another clock.
        place.gateway.jobs.queue.started_job_registry.cleanup(timestamp=time.time() + 60)
        found = await place.reach(job, "finished")
    assert found["attempt"] == 2
    assert await place.video(job) == 1_500


async def test_cut_connections_cost_neither_the_job_nor_a_try(place: Place) -> None:
    job = await place.render(120)
    with place.start() as worker:
        await place.begun(job)
        redis = place.gateway.jobs.redis
        for _ in range(20):
            for each in redis.client_list():
                if each["id"] != str(redis.client_id()):
                    with contextlib.suppress(exceptions.ResponseError):
                        redis.client_kill_filter(_id=each["id"])
            await asyncio.sleep(0.1)
        found = await until_so(place, job, lambda entry: entry.state in ENDED)
        assert (found.state, found.attempt, found.done) == ("finished", 1, 3_000)
        assert worker.process.poll() is None


async def test_a_worker_that_is_asked_to_stop_gives_its_job_back_and_no_try_is_lost(place: Place) -> None:
    place.gateway.jobs.settings = place.gateway.settings.model_copy(update={"jobs_retries": 0})
    job = await place.render(60)
    for attempt in (1, 2):
        with place.start() as worker:
            await place.begun(job, attempt)
            worker.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(worker.process.wait, WAIT_S)
            assert (await place.job(job))["state"] == "queued"
    with place.start():
        found = await place.reach(job, "finished")
    assert found["attempt"] == 3


async def test_what_others_put_into_the_queue_is_neither_run_nor_unpickled(place: Place) -> None:
    redis, mark = place.gateway.jobs.redis, place.folder / "mark"
    pickled = Queue(keys.JOBS_QUEUE, connection=redis).enqueue("os.mkdir", str(mark))
    plain = Queue(keys.JOBS_QUEUE, connection=redis, serializer="json").enqueue("os.mkdir", str(mark))
    job = await place.render(0.2)
    with place.start() as worker:
        await place.reach(job, "finished")
        assert worker.process.poll() is None
    assert not mark.exists()
    for each in (pickled, plain):
        assert redis.hget(each.key, "status") == b"failed"


async def test_results_expire_with_their_jobs(place: Place) -> None:
    job = await place.render(0.2)
    with place.start():
        await place.reach(job, "finished")
    redis, keep_s = place.gateway.jobs.redis, place.gateway.settings.jobs_keep_s
    assert keep_s - 60 < redis.ttl(Job.key_for(job)) <= keep_s
    redis.delete(Job.key_for(job))
    assert (await place.http.get(f"/api/jobs/{job}/result")).status_code == 404
    old_s = time.time() - 2 * 3_600
    os.utime(place.folder / "jobs" / f"{job}.out", (old_s, old_s))
    with place.start():
        await until(lambda: not list((place.folder / "jobs").iterdir()), WAIT_S)


async def test_a_worker_leaves_nothing_in_redis_that_stays_for_ever(place: Place) -> None:
    jobs = [await place.render(0.2), await place.submit("render?avatar=tiny", content=b"no audio")]
    canceled = await place.render(0.2)
    await place.http.delete(f"/api/jobs/{canceled}")
    with place.start() as worker:
        for job in jobs:
            await place.reach(job, "finished", "failed")
        worker.process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(worker.process.wait, WAIT_S)
    redis = place.gateway.jobs.redis
    stays = {key.decode() for key in redis.scan_iter("rq:*") if redis.ttl(key) == -1}
    assert {key for key in stays if ":job:" in key or ":results:" in key or ":worker:" in key} == set()
    assert stays <= {"rq:queues", *(f"rq:{name}:{keys.JOBS_QUEUE}" for name in ("finished", "failed", "canceled"))}


async def test_jobs_run_with_whatever_processor_time_is_left(place: Place) -> None:
    job = await place.render(60)
    with place.start() as worker:
        await place.begun(job)
        horse = worker.horse()
        assert horse is not None
        assert {psutil.Process(worker.process.pid).nice(), horse.nice()} == {19}


async def test_serial_is_what_stands_in_redis(place: Place) -> None:
    job = await place.submit("prune", json={"days": 2})
    found = Job.fetch(job, connection=place.gateway.jobs.redis, serializer=serial)
    assert found.args == [{"kind": "prune", "days": 2.0}]
