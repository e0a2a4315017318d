"""How often a worker waits for Redis in a batch: what plans and the simulation reckon with."""

import asyncio
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio.connection import AbstractConnection

from cli.plan.coefficients import WORKERS
from cli.plan.model import ROUND_TRIPS
from common.worker import Worker
from lipstream_client import connect
from tests.pipeline import running
from tests.speech import speechlike

FRAMES = 50
SINGLE = {"task_frames": 1, "blob_inline_bytes": 17_000}
"""As the demo avatar's: the columns of a frame go in the entry, its patch does not."""
PATIENT = {"reclaim_idle_ms": 30_000, "skip_after_ms": 60_000, "frame_deadline_ms": 60_000}
"""Nobody says again that a task is still worked on, on however slow a machine."""
NOT_OF_A_BATCH = {"XREADGROUP", "XPENDING", "XGROUP", "XINFO", "TIME", "PING", "CLIENT", "HELLO", "UNLINK", "SREM"}
"""A read that waits in vain is sent again; the others are sent now and then, or at the end."""


async def test_a_batch_makes_as_many_round_trips_as_plans_reckon_with(
    redis_server: str, avatars_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: Counter[tuple[str, str]] = Counter()
    send = AbstractConnection.send_packed_command

    async def counted(self: AbstractConnection, command: Any, *args: Any, **kwargs: Any) -> None:
        text = command if isinstance(command, bytes) else b"".join(command)
        found = re.search(rb"\$\d+\r\n([A-Za-z]+)", text)
        if found and (stage := _stage_of_this_task()):
            sent[stage, found[1].decode().upper()] += 1
        await send(self, command, *args, **kwargs)

    monkeypatch.setattr(AbstractConnection, "send_packed_command", counted)
    async with (
        running(redis_server, avatars_folder, **SINGLE | PATIENT) as pipeline,
        connect(pipeline.url, avatar="tiny", sample_rate=16_000, pace="lossless") as session,
    ):
        await session.send_audio(speechlike(FRAMES * 640))
        await session.end()
        assert len([frame async for frame in session.frames()]) == FRAMES
    for stage in WORKERS:
        batches = sent[stage, "XACK"]
        assert batches > 1
        others = sum(n for (of, name), n in sent.items() if of == stage and name not in NOT_OF_A_BATCH)
        assert others / batches + 1 == ROUND_TRIPS[stage], sorted(sent.items())


def _stage_of_this_task() -> str | None:
    """Of the worker whose loop is running; heartbeats and gateways are none."""
    task = asyncio.current_task()
    frame = getattr(task.get_coro(), "cr_frame", None) if task else None
    owner = frame.f_locals.get("self") if frame else None
    return owner.stage.name if isinstance(owner, Worker) else None
