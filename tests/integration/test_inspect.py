"""Looking inside: over a faked and a real Redis, over a live pipeline, and over a Redis that goes away."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from cli.embedded_redis import RedisServer, prepared
from cli.inspect.keyspace import names
from cli.inspect.letters import letters, purge
from cli.inspect.looks import Looks, look_again
from cli.inspect.retry import retry, show
from cli.inspect.sessions import resolve
from cli.inspect.tail import follow
from cli.inspect.top import AWAY, looking
from cli.inspect.trace import last_ways, trace
from cli.inspect.trace_view import as_dict
from cli.inspect.view import View
from common import keys, sessions
from common.contracts import Notice
from common.errors import InputError
from common.redis_client import close
from common.redis_client import connect as connect_redis
from common.settings import Settings
from common.streams import WorkStream
from lipstream_client import Session, connect
from tests.inspection import SESSION, record, task
from tests.pipeline import Pipeline, running
from tests.speech import speechlike

SLOTS = 96
RATE_HZ = 16_000


async def give_up(redis: Redis, stage: str, **changes: Any) -> str:
    """A dead letter, made as a worker makes it; its id."""
    work = WorkStream(redis, keys.stage(stage), "a-worker")
    fields: Any = {k.encode(): v.encode() for k, v in task(**changes).to_fields().items()} | {b"payload": b"\xff"}
    await work.bury(stage, (b"17-0", fields), "the model is broken")
    newest: Any = await redis.xrevrange(keys.dead(stage), count=1)
    return str(newest[0][0].decode())


async def open_session(redis: Redis, session: str = SESSION, frames: int = 20, **changes: Any) -> None:
    await sessions.create(redis, session, record(**changes), ttl_s=60)
    for frame in range(frames):
        await redis.xadd(keys.audio_ring(session), {"pcm": bytes(1280)}, id=keys.audio_entry(frame))


@pytest.fixture
async def real_redis(redis_server: str) -> AsyncIterator[Redis]:
    """An empty real server: the faked one has no INFO."""
    redis = connect_redis(redis_server)
    await redis.flushall()
    yield redis
    await close(redis)


async def test_an_empty_installation_is_a_picture_not_an_error(real_redis: Redis) -> None:
    _, seen = await look_again(real_redis, Looks())
    assert [(stage.stage, stage.waiting, stage.dead) for stage in seen.stages] == [
        ("audio", 0, 0), ("inference", 0, 0), ("compositor", 0, 0)
    ]  # fmt: skip
    assert (seen.sessions, seen.workers) == ((), ())
    json.dumps(seen.as_dict())


async def test_waiting_tasks_and_those_in_hand_are_told_apart(real_redis: Redis) -> None:
    work = WorkStream(real_redis, keys.stage("audio"), "a-worker")
    await work.ensure_group()
    for first in range(5):
        await real_redis.xadd(work.stream, task(first=first).to_fields())
    await work.read(2, None)
    await asyncio.sleep(0.02)
    _, seen = await look_again(real_redis, Looks())
    stage = seen.stages[0]
    assert (stage.waiting, stage.in_hand) == (3, 2)
    assert 15 <= stage.oldest_ms < 10_000
    assert await real_redis.xlen(work.stream) == 5


async def test_a_look_reads_no_notice_twice_and_no_more_than_the_newest(real_redis: Redis) -> None:
    notice: Any = Notice(session=SESSION, epoch=0, first=0, count=1, ingest_ms=0, timings="audio=1/2").to_fields()
    for _ in range(300):
        await real_redis.xadd(keys.gateway_inbox("g"), notice)
    looks, _ = await look_again(real_redis, Looks())
    assert looks.history is not None
    assert len(looks.history.snapshot.passages) == 250
    looks, _ = await look_again(real_redis, looks)
    assert looks.history is not None
    assert looks.history.snapshot.passages == ()


async def test_a_session_is_found_by_the_beginning_of_its_id(redis: Redis) -> None:
    for session in ("aaaaaaaa1", "aaaaaaaa2", "bbbbbbbb", "aaaaaaaa"):
        await open_session(redis, session, frames=1)
    assert await resolve(redis, "b") == "bbbbbbbb"
    assert await resolve(redis, "aaaaaaaa2") == "aaaaaaaa2"
    assert await resolve(redis, "aaaaaaaa") == "aaaaaaaa", "a whole id wins over longer ones"
    with pytest.raises(InputError, match="3 sessions begin with 'aa'"):
        await resolve(redis, "aa")
    with pytest.raises(InputError, match="no session 'c' here"):
        await resolve(redis, "c")
    with pytest.raises(InputError, match="no id of a session"):
        await resolve(redis, "*")


async def test_a_retried_task_begins_at_the_audio_stage_and_leaves_the_dead_letters(redis: Redis) -> None:
    await open_session(redis)
    letter_id = await give_up(redis, "inference", timings="audio=1/2")
    assert (await show(redis, "inference", letter_id, SLOTS))["retry"] == "possible"
    [outcome] = await retry(redis, await letters(redis, "inference", letter_id), SLOTS)
    entries: Any = await redis.xrange(keys.stage("audio"))
    assert [entry_id.decode() for entry_id, _ in entries] == [outcome.entry]
    fields = entries[0][1]
    assert not {b"error", b"entry", b"payload", b"blob"} & fields.keys()
    assert (fields[b"first"], fields[b"timings"]) == (b"8", b"")
    assert await letters(redis) == []
    with pytest.raises(InputError, match="no dead letter"):
        await letters(redis, "inference", letter_id)


async def test_a_task_of_a_session_that_has_ended_stays_a_dead_letter(redis: Redis) -> None:
    await give_up(redis, "audio")
    [outcome] = await retry(redis, await letters(redis), SLOTS)
    assert (outcome.entry, outcome.why_not) == (None, "its session has ended")
    assert await redis.xlen(keys.stage("audio")) == 0
    assert len(await letters(redis)) == 1


async def test_a_letter_that_is_no_task_is_shown_and_cannot_be_retried(redis: Redis) -> None:
    await redis.xadd(keys.dead("audio"), {"rubbish": b"\xff", "error": "not a Task"})
    [letter] = await letters(redis)
    assert letter.brief()["error"] == "not a Task"
    [outcome] = await retry(redis, [letter], SLOTS)
    assert outcome.why_not == "its fields are not those of a task"
    assert (await purge(redis, [letter]), await purge(redis, [letter])) == (1, 0)


async def test_an_unknown_stage_or_id_says_what_there_is(redis: Redis) -> None:
    with pytest.raises(InputError, match="no stage 'paint'; known: audio, inference, compositor"):
        await letters(redis, "paint")
    with pytest.raises(InputError, match="they look like"):
        await letters(redis, "audio", "last")
    with pytest.raises(InputError, match="has no stream yet"):
        await follow(redis, "audio", 1, print)


async def test_the_way_of_a_lost_task_says_why(redis: Redis) -> None:
    await open_session(redis)
    lost = Notice(session=SESSION, epoch=0, first=8, count=4, ingest_ms=0, lost="audio: no samples")
    fields: Any = lost.to_fields()
    await redis.xadd(keys.gateway_inbox("g"), fields)
    assert as_dict(await trace(redis, SESSION[:6], 9, SLOTS))["verdict"] == "given up at audio: no samples"
    [way] = await last_ways(redis, SESSION, 5)
    assert way.lost == "audio: no samples"


# a live pipeline


@contextlib.asynccontextmanager
async def speaking(pipeline: Pipeline, seconds: float) -> AsyncIterator[tuple[Session, str]]:
    """A session that has sent some audio and reads its frames; with its id."""
    async with connect(pipeline.url, avatar="tiny", sample_rate=RATE_HZ, pace="lossless") as session:
        reading = asyncio.create_task(_read(session))
        await session.send_audio(speechlike(round(seconds * RATE_HZ)))
        try:
            yield session, keys.session_of((await names(pipeline.redis)).sessions[0])
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def _read(session: Session) -> None:
    async for _ in session:
        pass


async def settled(pipeline: Pipeline, session: str, frame: int) -> dict[str, Any]:
    """The trace of a frame once it is finished."""
    for _ in range(3_000):
        found = as_dict(await trace(pipeline.redis, session, frame, SLOTS))
        if found["way"]:
            return found
        await asyncio.sleep(0.02)
    raise TimeoutError


async def test_a_finished_frame_is_traced_through_every_stage(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline, speaking(pipeline, 2) as (_, session):
        found = await settled(pipeline, session, 30)
        assert found["verdict"] == "finished: its picture is in the frame ring"
        assert [step["stage"] for step in found["way"]["steps"]] == ["audio", "inference", "compositor"]
        assert found["way"]["first"] <= 30 < found["way"]["first"] + found["way"]["frames"]
        assert (found["slot"]["frame"], found["audio"]["last"]) == (30, 49)
        parts_ms = sum(step["wait_ms"] + step["work_ms"] for step in found["way"]["steps"]) + found["way"]["other_ms"]
        assert parts_ms == pytest.approx(found["way"]["total_ms"], abs=30)
        beyond = as_dict(await trace(pipeline.redis, session, 5000, SLOTS))
        assert beyond["verdict"] == "waits for its audio: the newest frame of the audio ring is 49"


async def test_a_frame_whose_stage_has_no_worker_says_so(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        inference = pipeline.workers[1]
        inference.stopping.set()
        while await pipeline.redis.exists(keys.worker("inference", inference.worker_id)):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        async with speaking(pipeline, 2) as (_, session):
            for _ in range(1_500):
                found = as_dict(await trace(pipeline.redis, session, 20, SLOTS))
                if found["place"] and found["place"]["stream"] == keys.stage("inference", "default"):
                    break
                await asyncio.sleep(0.02)
            assert found["verdict"].startswith("waits on stage:inference:default for ")
            assert found["verdict"].endswith("no inference worker is alive")


async def test_following_a_session_takes_nothing_from_its_gateway(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        seen: list[dict[str, Any]] = []
        async with speaking(pipeline, 0.2) as (session, sid):
            following = asyncio.create_task(follow(pipeline.redis, sid[:8], None, seen.append))
            while not seen:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await session.send_audio(speechlike(2 * RATE_HZ))
            await settled(pipeline, sid, 40)
            await session.clear()
            # Frames of the epoch before may still come in behind.
            while not any(entry.get("epoch") == 1 for entry in seen):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            await session.end()
            await asyncio.wait_for(following, 60)
        assert seen[0] == {
            "session": sid, "event": "session", "avatar": "tiny", "state": "open", "epoch": 0, "gateway": "test-gateway"
        }  # fmt: skip
        frames = [entry["first"] for entry in seen if entry["event"] == "frames"]
        assert len(frames) == len(set(frames)), "no notice is shown twice"
        assert 40 in {entry["first"] + k for entry in seen if entry["event"] == "frames" for k in range(entry["count"])}
        assert seen[-1]["event"] == "ended"


async def test_following_a_stage_shows_its_tasks_and_leaves_them(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder) as pipeline:
        seen: list[dict[str, Any]] = []
        following = asyncio.create_task(follow(pipeline.redis, "inference", 3, seen.append))
        async with speaking(pipeline, 2) as (session, sid):
            # It shows what comes from the time on at which it has begun to look.
            while not following.done():
                await session.send_audio(speechlike(RATE_HZ // 5))
                await asyncio.sleep(0.1)
            await following
            await settled(pipeline, sid, 40)
        assert len(seen) == 3
        assert {entry["stream"] for entry in seen} == {keys.stage("inference", "default")}
        assert all(entry["payload"].endswith(" bytes") for entry in seen)


def shows_all(seen: View) -> bool:
    """Every worker, and of the stages what they do and how fast."""
    workers = [worker.stage for worker in seen.workers] == ["audio", "inference", "compositor"]
    times = all(stage.wait_ms and stage.work_ms for stage in seen.stages)
    rates = any(row.frames_per_s for row in seen.workers) and any(stage.frames_per_s for stage in seen.stages)
    return workers and times and rates


async def test_a_look_at_a_busy_pipeline_shows_rates_and_times(redis_server: str, avatars_folder: Path) -> None:
    async with running(redis_server, avatars_folder, heartbeat_s=0.2) as pipeline:
        looks, seen = await look_again(pipeline.redis, Looks())
        async with speaking(pipeline, 3) as (session, _), asyncio.timeout(60):
            while not shows_all(seen):
                await session.send_audio(speechlike(RATE_HZ // 5))
                await asyncio.sleep(0.1)
                looks, seen = await look_again(pipeline.redis, looks)
            assert len(seen.sessions) == 1
            assert looks.commands < 30


# a Redis that goes away


@contextlib.contextmanager
def serving(server: RedisServer) -> Iterator[None]:
    process = subprocess.Popen(server.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(10)


async def test_top_outlives_its_redis_and_goes_on_when_it_is_back() -> None:
    async def until_seen(away: bool) -> Any:
        async with asyncio.timeout(60):
            async for seen in looks:
                if bool(seen.fault) == away:
                    return seen
        raise AssertionError

    with prepared() as server:
        looks = looking(Settings(redis_url=server.url), 0.05)
        with serving(server):
            before = await until_seen(away=False)
        gone = await until_seen(away=True)
        assert gone.fault.startswith(AWAY)
        assert gone.view == before.view or gone.view is not None, "the last picture stays"
        with serving(server):
            assert (await until_seen(away=False)).fault == ""
        await looks.aclose()  # type: ignore[attr-defined]


# the commands


def lipstream(*arguments: str, redis_url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cli", *arguments, "--redis-url", redis_url]
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path), "COLUMNS": "200"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)


async def test_the_commands_print_json_and_exit_codes(real_redis: Redis, redis_server: str, tmp_path: Path) -> None:
    redis = real_redis
    await open_session(redis)
    letter_id = await give_up(redis, "compositor")
    lost_id = await give_up(redis, "compositor", session="of-another-time")

    async def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return await asyncio.to_thread(lipstream, *arguments, redis_url=redis_server, folder=tmp_path)

    listed = json.loads((await run("dead", "list", "--json")).stdout)
    assert [letter["id"] for letter in listed] == [letter_id, lost_id]
    retried = await run("dead", "retry", "--json")
    assert retried.returncode == 1, "one of them could not be"
    assert [bool(outcome["entry"]) for outcome in json.loads(retried.stdout)] == [True, False]
    refused = await run("dead", "purge")
    assert refused.returncode == 1
    assert (await redis.xlen(keys.dead("compositor"))) == 1
    assert json.loads((await run("dead", "purge", "--yes", "--json")).stdout) == {"purged": 1}
    assert (await run("dead", "list")).stdout == "no dead letters\n"
    top = json.loads((await run("top", "--once", "--json")).stdout)
    assert [row["session"] for row in top["sessions"]] == [SESSION]
    assert top["stages"][0]["waiting"] == 1
    assert json.loads((await run("trace", SESSION[:4], "9", "--json")).stdout)["place"]["stream"] == "stage:audio"
    unknown = await run("trace", "zzz")
    assert (unknown.returncode, unknown.stderr) == (2, "error: no session 'zzz' here; `lipstream top` lists them\n")


async def test_no_redis_is_one_clear_line(tmp_path: Path) -> None:
    for arguments in (("top", "--once"), ("trace", "abc"), ("tail", "audio"), ("dead", "list")):
        done = await asyncio.to_thread(lipstream, *arguments, redis_url="redis://127.0.0.1:1", folder=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: cannot reach Redis")
        assert done.stderr.count("\n") == 1
