"""Background jobs over HTTP, before any worker takes them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from rq.job import Job, JobStatus

from common import keys
from common.background import serial
from common.background.files import files_at
from common.background.queue import Jobs
from common.background.requests import Outcome, Prune, ResultFile
from common.redis_blocking import connect_blocking
from tests.unit.gateway.http.conftest import Opened, Running

KEY = "app-secret-app-secret"


def finish(jobs: Jobs, job: str, result: bytes | None) -> None:
    """What a worker does at the end of a job."""
    file = None
    if result is not None:
        fs = files_at(jobs.settings.jobs_url)
        fs.fs.pipe_file(f"{fs.root}/{job}.out", result)
        file = ResultFile(name="tiny.zip", media_type="application/zip", size_bytes=len(result))
    found = Job.fetch(job, connection=jobs.redis, serializer=serial)
    found.meta = {"done": 5, "total": 5, "outcome": Outcome(facts={"frames": 5}, file=file).model_dump()}
    found.save_meta()
    found.set_status(JobStatus.FINISHED)


async def post(running: Running, path: str, **options: Any) -> tuple[int, Any]:
    answer = await running.http.post(path, **options)
    return answer.status_code, answer.json()


async def test_every_kind_can_be_asked_for_and_is_listed_newest_first(running: Running) -> None:
    _, rendered = await post(running, "/api/jobs/render?avatar=tiny&quality=70", content=b"RIFF")
    _, framed = await post(running, "/api/jobs/frames", json={"avatar": "tiny"})
    _, pruned = await post(running, "/api/jobs/prune", json={"days": 3})
    assert rendered["request"] == {"kind": "render", "avatar": "tiny", "quality": 70}
    assert (rendered["state"], rendered["attempt"], rendered["total"]) == ("queued", 0, 0)
    listed = (await running.http.get("/api/jobs")).json()["jobs"]
    assert [job["id"] for job in listed] == [pruned["id"], framed["id"], rendered["id"]]
    assert [job["id"] for job in (await running.http.get("/api/jobs?limit=1")).json()["jobs"]] == [pruned["id"]]
    assert (await running.http.get(f"/api/jobs/{framed['id']}")).json() == framed


async def test_what_is_uploaded_is_kept_under_the_jobs_own_name(running: Running) -> None:
    _, job = await post(running, "/api/jobs/render?avatar=tiny", content=b"RIFF" * 50_000)
    files = files_at(running.gateway.settings.jobs_url)
    assert [path.rpartition("/")[2] for path in files.fs.ls(files.root, detail=False)] == [f"{job['id']}.in"]
    assert files.fs.cat_file(f"{files.root}/{job['id']}.in") == b"RIFF" * 50_000


@pytest.mark.parametrize(
    ("path", "options", "status", "field"),
    [
        ("render", {"content": b"RIFF"}, 400, "avatar"),
        ("render?avatar=nobody", {"content": b"RIFF"}, 404, "name"),
        ("render?avatar=../tiny", {"content": b"RIFF"}, 400, "avatar"),
        ("render?avatar=tiny&quality=101", {"content": b"RIFF"}, 400, "quality"),
        ("render?avatar=tiny&path=/etc", {"content": b"RIFF"}, 400, "path"),
        ("render?avatar=tiny", {"content": b""}, 400, "body"),
        ("render?avatar=tiny", {"content": b"x" * 1_001}, 413, "body"),
        ("export", {"json": {"session": "nobody-knows"}}, 404, "session"),
        ("export", {"json": {"session": "../../etc/passwd"}}, 400, "session"),
        ("export", {"json": {}}, 400, "session"),
        ("frames", {"json": {"avatar": "nobody"}}, 404, "name"),
        ("frames", {"json": {"avatar": "tiny", "quality": 0}}, 400, "quality"),
        ("prune", {"json": {}}, 400, "days"),
        ("prune", {"json": {"days": 0}}, 400, "days"),
        ("prune", {"json": {"days": 1, "folder": "/"}}, 400, "folder"),
    ],
)
async def test_what_cannot_be_done_is_refused_with_its_field_and_leaves_nothing(
    opened: Opened, path: str, options: dict[str, Any], status: int, field: str
) -> None:
    async with opened(jobs_upload_bytes=1_000) as running:
        code, answer = await post(running, f"/api/jobs/{path}", **options)
        assert (code, answer["error"]["field"]) == (status, field)
        assert (await running.http.get("/api/jobs")).json()["jobs"] == []
        files = files_at(running.gateway.settings.jobs_url)
        assert not files.fs.exists(files.root) or files.fs.ls(files.root) == []


async def test_a_body_without_a_length_is_cut_off_at_the_limit(opened: Opened) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    async with opened(jobs_upload_bytes=1_000) as running:
        code, answer = await post(running, "/api/jobs/render?avatar=tiny", content=pieces())
        assert (code, answer["error"]["limit"]) == (413, 1_000)
        files = files_at(running.gateway.settings.jobs_url)
        assert files.fs.ls(files.root) == []


async def test_a_full_queue_takes_no_more(opened: Opened) -> None:
    async with opened(jobs_queue_max=2) as running:
        codes = [(await post(running, "/api/jobs/frames", json={"avatar": "tiny"}))[0] for _ in range(3)]
        assert codes == [200, 200, 503]
        answer = await running.http.post("/api/jobs/render?avatar=tiny", content=b"RIFF")
        assert answer.json()["error"] | {"message": ""} == {
            "code": "at_capacity", "message": "", "field": "jobs_queue_max", "limit": 2, "retryable": True,
        }  # fmt: skip
        assert "Retry-After" in answer.headers


async def test_a_waiting_job_is_canceled_at_once_with_what_was_uploaded_for_it(running: Running) -> None:
    _, job = await post(running, "/api/jobs/render?avatar=tiny", content=b"RIFF")
    canceled = (await running.http.delete(f"/api/jobs/{job['id']}")).json()
    assert canceled["state"] == "canceled"
    assert canceled["ended_at"] < canceled["expires_at"]
    files = files_at(running.gateway.settings.jobs_url)
    assert files.fs.ls(files.root) == []
    assert running.gateway.jobs.queue.count == 0
    again = await running.http.delete(f"/api/jobs/{job['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (409, "conflict")
    assert 0 < running.gateway.jobs.redis.ttl(Job.key_for(job["id"])) <= running.gateway.settings.jobs_keep_s


async def test_a_result_is_had_once_there_is_one(running: Running) -> None:
    _, job = await post(running, "/api/jobs/frames", json={"avatar": "tiny"})
    path = f"/api/jobs/{job['id']}/result"
    early = await running.http.get(path)
    assert (early.status_code, early.json()["error"]["message"]) == (
        409, f"job {job['id']} is queued: there is no result",
    )  # fmt: skip
    finish(running.gateway.jobs, job["id"], b"PK" * 300_000)
    answer = await running.http.get(path)
    assert answer.content == b"PK" * 300_000
    assert answer.headers["content-disposition"] == 'attachment; filename="tiny.zip"'
    assert answer.headers["content-length"] == "600000"
    shown = (await running.http.get(f"/api/jobs/{job['id']}")).json()
    assert (shown["state"], shown["done"], shown["outcome"]["file"]["size_bytes"]) == ("finished", 5, 600_000)
    files = files_at(running.gateway.settings.jobs_url)
    files.fs.rm_file(f"{files.root}/{job['id']}.out")
    assert (await running.http.get(path)).status_code == 404


async def test_a_job_without_a_file_says_so(running: Running) -> None:
    _, job = await post(running, "/api/jobs/prune", json={"days": 3})
    finish(running.gateway.jobs, job["id"], None)
    assert (await running.http.get(f"/api/jobs/{job['id']}/result")).status_code == 404


@pytest.mark.parametrize("job", ["0123456789abcdef", "nothing", "a.b", "x" * 500])
async def test_an_unknown_job_is_not_found(running: Running, job: str) -> None:
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/result")):
        answer = await running.http.request(method, f"/api/jobs/{job}{path}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


async def test_jobs_of_others_in_the_same_redis_are_not_shown(running: Running) -> None:
    jobs = running.gateway.jobs
    from rq import Queue

    theirs = Queue(keys.JOBS_QUEUE, connection=jobs.redis).enqueue("os.getcwd", job_id="0" * 16)
    assert (await running.http.get("/api/jobs")).json() == {"jobs": []}
    assert (await running.http.get(f"/api/jobs/{theirs.id}")).status_code == 404


async def test_the_age_of_the_settings_is_that_of_a_prune_without_one(opened: Opened) -> None:
    async with opened(recordings_keep_days=7) as running:
        _, job = await post(running, "/api/jobs/prune")
        assert job["request"] == {"kind": "prune", "days": 7}


async def test_only_a_key_asks_for_jobs(opened: Opened) -> None:
    async with opened(api_keys=f"app:{KEY}", session_secret="0123456789abcdef" * 2) as running:
        assert (await running.http.get("/api/jobs")).status_code == 401
        shown = {"Authorization": f"Bearer {KEY}"}
        assert (await running.http.get("/api/jobs", headers=shown)).status_code == 200
        token = (await running.http.post("/api/session-tokens", headers=shown)).json()["token"]
        answer = await running.http.get("/api/jobs", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 403


async def test_jobs_count_as_starts_of_a_key(opened: Opened) -> None:
    async with opened(api_keys=f"app:{KEY}", starts_per_minute=2) as running:
        options: dict[str, Any] = {"json": {"avatar": "tiny"}, "headers": {"Authorization": f"Bearer {KEY}"}}
        assert [(await post(running, "/api/jobs/frames", **options))[0] for _ in range(3)] == [200, 200, 429]


async def test_on_a_redis_cluster_there_are_none_and_that_is_said(opened: Opened) -> None:
    async with opened(redis_url="redis+cluster://127.0.0.1:7000") as running:
        running.gateway.jobs.connect = connect_blocking
        answer = await running.http.get("/api/jobs")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "bad_settings")
        assert "RQ does not run on a Redis Cluster" in answer.json()["error"]["message"]


def test_a_job_is_json_in_redis(opened: Opened) -> None:
    import fakeredis

    from common.settings import Settings

    jobs = Jobs(Settings(), lambda settings: fakeredis.FakeRedis(version=(6, 2), server=fakeredis.FakeServer()))
    entry = jobs.submit(Prune(days=2))
    found = Job.fetch(entry.id, connection=jobs.redis, serializer=serial)
    assert found.data == b'["workers.jobs.horse.run", null, [{"kind": "prune", "days": 2.0}], {}]'
